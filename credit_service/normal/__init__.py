"""Normal forms: names, divisions, industries, amounts and dates as sources write them, read into one form each.

names        one spelling for a name, its core, and whether two names can be of one subject
divisions    six-digit division codes (GB/T 2260): today's code, level, what covers what
industries   industry codes (GB/T 4754-2017): section, well-formedness, risk sectors
regions      the region that a name begins with
amounts      sums of money in a text, as whole fen
dates        civil dates in the forms that files carry, as YYYY-MM-DD

Everything here is pure. Tables lie in `tables/`; `shipped` reads them; each row or file says where it comes from.
"""
