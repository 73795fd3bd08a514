"""Names of subjects: one spelling, the core without region and legal form, and whether two can be one subject's.

The code names the subject; the name is its witness. `agrees` says how well the witness fits, so that a record
whose name and code disagree can be set aside:

SAME       equal after `folded`
VARIANT    not equal, but one subject can bear both: accept, perhaps with a warning
DIFFERENT  a clerk should look

Two names are VARIANT when a reading of each gives compatible regions and
1. equal cores: only region or legal form differ (a conversion keeps the code), or one or both are branches; or
2. an abbreviation: one has no legal form, its core begins like the other's and its characters stand there in
   order, and what it leaves out tells no siblings apart (第二, 三, 乙).
A former name stated in brackets speaks for the subject like the name itself. An absent name and a masked one
(○○工程行, 张*) witness nothing: VARIANT, even of itself.
Regions are compatible unless both name a province, a city or a county, and not the same.

Chosen so, with the price known:
- Siblings pass as VARIANT: two branches of one head; a group and its company limited by shares; a parent and
  the subsidiary that adds (北京); a shop and one whose longer name holds it. Their codes differ and decide.
- A former name that is not stated cannot be told from a wrong one: it is DIFFERENT. Whoever knows former names
  asks `agrees_any`.
- One wrong character in the core is DIFFERENT: 鑫旺 and 鑫望 may be neighbours in a clerk's list, and a record
  under the wrong subject does more harm than one that waits.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from credit_service.normal import regions
from credit_service.normal.regions import Region
from credit_service.normal.shipped import tables

_LEAST_CORE = 2


class Agreement(StrEnum):
    """Says how well two names fit one subject."""

    SAME = "SAME"
    VARIANT = "VARIANT"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class _Reading:
    """Holds one way to read a name."""

    region: Region
    core: str
    has_form: bool


@cache
def _words() -> dict[str, Any]:
    words = tables("names.toml")
    words["forms"].sort(key=len, reverse=True)
    words["former"].sort(key=len, reverse=True)
    return words


@cache
def _spellings() -> dict[int, str]:
    words = _words()
    table = {ord(pair[0]): pair[1] for pair in words["simplified"].split()}
    table |= dict.fromkeys(map(ord, words["opening"]), "(") | dict.fromkeys(map(ord, words["closing"]), ")")
    table |= dict.fromkeys(map(ord, words["dots"]), "·") | dict.fromkeys(map(ord, words["dashes"]), "-")
    return table | dict.fromkeys(map(ord, words["ornament"]), "")


@lru_cache(maxsize=16384)
def folded(name: str) -> str:
    """Returns one spelling for all spellings of a name: width, case, blanks, brackets, traditional characters."""
    # What is taken out can bring together what then combines, so one pass is not always enough.
    while (text := _folded_once(name)) != name:
        name = text
    return name


def _folded_once(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold().translate(_spellings())
    kept = "".join(c for c in text if not _is_blank(c))
    return unicodedata.normalize("NFKC", kept)


def _is_blank(character: str) -> bool:
    # Format characters are invisible, and so are the selectors of a glyph's variant.
    return (
        character.isspace()
        or unicodedata.category(character) in ("Cc", "Cf")
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def head_name(name: str) -> str:
    """Returns the folded name of the head that a branch belongs to; any other name as it is, folded."""
    text = folded(name)
    end = _head_end(text)
    return text[:end] if end else text


def is_branch(name: str) -> bool:
    """Says whether a name is a branch's: a head's name with a branch's words behind it."""
    return _head_end(folded(name)) > 0


def _head_end(text: str) -> int:
    """Returns where the head's name ends; 0 when the name is no branch's."""
    words = _words()
    body = next(_stated(text)).rstrip(")")
    found = _first(words["heads"], body)
    if found and body.endswith(tuple(words["branches"] + words["own_branches"])):
        return found.end()
    word = next((w for w in words["own_branches"] if body.endswith(w)), "")
    if not word:
        return 0
    found = _first(words["weak_heads"], body)
    return found.end() if found else _bare_head_end(body.removesuffix(word))


def _first(kinds: list[str], body: str) -> re.Match[str] | None:
    """Finds the first of the kinds that has a name before it and a branch's name behind it."""
    return re.match(rf"..+?(?:{'|'.join(kinds)})(?=[^)].)", body)


def _bare_head_end(head: str) -> int:
    """Returns where a head without legal form ends: before the region and the number of the branch."""
    numbered = re.sub(r"第?[一二三四五六七八九十0-9]+$", "", head)
    for start in range(_LEAST_CORE, len(numbered)):
        region, rest = regions.leading(numbered[start:])[-1]
        if region != regions.UNKNOWN and not rest:
            return start
    return len(numbered)


def core(name: str) -> str:
    """Returns what distinguishes a name: the head's, folded, without region and legal form."""
    return _readings(head_name(name))[-1].core


@lru_cache(maxsize=16384)
def _readings(text: str) -> tuple[_Reading, ...]:
    """Lists the ways to read a folded name, from the whole of it to the one that takes off most as region."""
    bare, has_form = _without_forms(text)
    found = [_Reading(region, rest, has_form) for region, rest in regions.leading(bare) if len(rest) >= _LEAST_CORE]
    if bracketed := regions.bracketed(bare):
        region, rest = bracketed
        inner, has_inner_form = _without_forms(rest)
        found += [_Reading(region, inner, has_form or has_inner_form)] if len(inner) >= _LEAST_CORE else []
    return tuple(found) or (_Reading(regions.UNKNOWN, bare, has_form),)


def _without_forms(text: str) -> tuple[str, bool]:
    """Takes legal forms off the end, and says whether one was there that a full name must have."""
    words, has_form = _words(), False
    while form := next((f for f in words["forms"] if text.endswith(f) and len(text) - len(f) >= _LEAST_CORE), ""):
        text, has_form = text.removesuffix(form), has_form or form not in words["weak_forms"]
    return text, has_form


def agrees(a: str, b: str) -> Agreement:
    """Says whether two names can be one subject's, by the rule at the head of this module."""
    one, other = folded(a), folded(b)
    if any(not text or _is_masked(text) for text in (one, other)):
        return Agreement.VARIANT
    if one == other:
        return Agreement.SAME
    is_close = any(_fit(s, t) for s in _stated(one) for t in _stated(other))
    return Agreement.VARIANT if is_close else Agreement.DIFFERENT


def _is_masked(text: str) -> bool:
    return any(mask in text for mask in _words()["masks"])


def agrees_any(name: str, known: Iterable[str]) -> Agreement:
    """Returns the best agreement of a name with the present and former names known of a subject."""
    order = list(Agreement)
    return min((agrees(name, other) for other in known), key=order.index, default=Agreement.VARIANT)


def _stated(text: str) -> Iterator[str]:
    """Yields the name and the former names that it states in brackets at its end."""
    found = re.fullmatch(rf"(.+)\((?:{'|'.join(_words()['former'])}):?([^()]{{2,}}(?:\([^()]*\)[^()]*)?)\)", text)
    if found:
        yield found[1]
        yield found[2]
    else:
        yield text


def _fit(one: str, other: str) -> bool:
    ours, theirs = _readings(head_name(one)), _readings(head_name(other))
    if any(x.core == y.core and x.region.fits(y.region) for x in ours for y in theirs):
        return True
    # Only what is left without the region counts here: 北京 alone makes two names alike.
    x, y = ours[-1], theirs[-1]
    return x.region.fits(y.region) and (_abbreviates(x, y) or _abbreviates(y, x))


def _abbreviates(short: _Reading, full: _Reading) -> bool:
    """Says whether a name without legal form is the other one with characters left out."""
    if short.has_form or len(short.core) >= len(full.core) or short.core[0] != full.core[0]:
        return False
    if len(short.core) == _LEAST_CORE and not full.core.startswith(short.core):
        return False
    left_out = _left_out(short.core, full.core)
    return left_out is not None and not any(character in _words()["telling"] for character in left_out)


def _left_out(short: str, full: str) -> str | None:
    """Returns the characters of the longer text that the shorter leaves out; None when it is not contained in order."""
    characters = iter(full)
    skipped: list[str] = []
    for wanted in short:
        for character in characters:
            if character == wanted:
                break
            skipped.append(character)
        else:
            return None
    return "".join([*skipped, *characters])
