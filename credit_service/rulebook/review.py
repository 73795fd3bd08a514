"""Finds the next day on which time alone can change what an edition says about a subject. Pure."""

from collections.abc import Iterator

from credit_service.arrays import NEVER
from credit_service.rulebook.matching import bounds, spans
from credit_service.rulebook.view import View


def next_change_day(view: View) -> int | None:
    """Returns the first later day on which a window, term, state or the edition may end.

    Until then findings, vetoes, hard record, conditions for A and pending all stay.
    """
    return min((day for day in _days(view) if view.as_of_day < day < NEVER), default=None)


def _days(view: View) -> Iterator[int]:
    edition = view.edition
    yield from view.days
    if edition.valid_to is not None:
        yield edition.valid_to
    turning = edition.sieve.turning(frozenset(view.passing))
    for pattern in turning.patterns:
        for match in spans(pattern, view):
            yield match.start
            yield match.until
    for count in turning.counts:
        if count.span is not None and count.since is not None:
            yield from (count.since.after(match.day) for match in spans(count.pattern, view))
    for term in turning.terms:
        yield from bounds(term, view)
