"""Safety credit: collects enterprise safety and fire credit events, proposes listings, grades and syncs.

The ledger is truth; everything else can be rebuilt from it. Software proposes, named officers decide.
"""

__version__ = "0.1.0"
