"""The region at the head of a name, or in brackets within it, as far as the tables of divisions know it."""

import re
from dataclasses import dataclass
from functools import cache

from credit_service.normal import divisions
from credit_service.normal.divisions import Level
from credit_service.normal.shipped import tables

_COUNTY = re.compile(r"(?:[一-鿿]{2,3}?[区旗]|[一-鿿]{1,3}?县|[一-鿿]{2,9}?自治[县旗])")
_COUNTY_CITY = re.compile(r"([一-鿿]{2,3}?)市(?!场)")
_BRACKETS = re.compile(r"\(([^()]{2,12})\)")


@dataclass(frozen=True, slots=True)
class Region:
    """Holds what a name says of its region: first digits of province and city, name of the county; empty if unsaid."""

    province: str = ""
    city: str = ""
    county: str = ""

    def fits(self, other: "Region") -> bool:
        """Says whether both can be the region of one subject."""
        pairs = ((self.province, other.province), (self.city, other.city), (self.county, other.county))
        return not any(one and two and one != two for one, two in pairs)


UNKNOWN = Region()


@cache
def _names() -> dict[str, str]:
    """Maps full and short names of provinces and cities to codes; a short name of two places to none."""
    found: dict[str, str] = {}
    counties = {d.short_name for d in divisions.in_use().values() if divisions.level(d.code) is Level.COUNTY}
    # Provinces come first, so 吉林 is the province and 吉林市 the city.
    for division in sorted(divisions.in_use().values(), key=lambda d: divisions.level(d.code) is not Level.PROVINCE):
        if divisions.level(division.code) in (Level.PROVINCE, Level.CITY):
            found.setdefault(division.name, division.code)
            if division.short_name not in counties:
                found.setdefault(division.short_name, division.code)
    return found


@cache
def _merged_counties() -> dict[str, str]:
    """Maps the name of a county out of use to that of its successor, both without their last character."""
    pairs = ((old, divisions.in_use().get(divisions.current(old.code))) for old in divisions.out_of_use().values())
    return {old.name[:-1]: today.short_name for old, today in pairs if today and len(old.name) > 2}


@cache
def _short_counties(province: str) -> tuple[str, ...]:
    """Lists the counties of a province that are known by name, longest first, without their last character."""
    today = [d for d in divisions.in_use().values() if divisions.level(d.code) is Level.COUNTY]
    known = [d.short_name for d in today if d.code.startswith(province)]
    old = [d.name[:-1] for d in divisions.out_of_use().values() if d.code.startswith(province) and len(d.name) > 2]
    return tuple(sorted({*known, *old}, key=lambda name: (-len(name), name))) if province else ()


@cache
def _exceptions() -> tuple[tuple[str, ...], str]:
    words = tables("names.toml")
    return tuple(words["not_counties"]), str(words["not_cities"])


def leading(text: str) -> list[tuple[Region, str]]:
    """Lists the ways to read a region off the head of a folded name, from none to the most, each with the rest."""
    found = [(UNKNOWN, text)]
    while step := _place(*found[-1]):
        found.append(step)
    if step := _county(*found[-1]):
        found.append(step)
    return found


def bracketed(text: str) -> tuple[Region, str] | None:
    """Reads a region that stands alone in brackets, and returns it with the text without them."""
    for found in _BRACKETS.finditer(text):
        region, rest = leading(found[1])[-1]
        if region != UNKNOWN and not rest:
            return region, text[: found.start()] + text[found.end() :]
    return None


def _place(region: Region, text: str) -> tuple[Region, str] | None:
    """Reads a province or a city; after a province, one of its cities."""
    if region.city:
        return None
    for width in range(min(len(text), 12), 1, -1):
        code = _names().get(text[:width], "")
        is_city = bool(code) and divisions.level(code) is Level.CITY
        if code and (not region.province or (is_city and code.startswith(region.province))):
            return Region(code[:2], code[:4] if is_city else ""), text[width:]
    return None


def _county(region: Region, text: str) -> tuple[Region, str] | None:
    for name in _short_counties(region.province):
        if text.startswith(name):
            rest = text.removeprefix(name)
            return _in_county(region, name), rest[1:] if rest[:1] in ("区", "县", "市") else rest
    not_counties, not_cities = _exceptions()
    found = _COUNTY.match(text)
    if found and not found[0].endswith(not_counties):
        return _in_county(region, found[0][:-1]), text[found.end() :]
    found = _COUNTY_CITY.match(text)
    if found and found[1][-1] not in not_cities:
        return _in_county(region, found[1]), text[found.end() :]
    return None


def _in_county(region: Region, name: str) -> Region:
    return Region(region.province, region.city, _merged_counties().get(name, name))
