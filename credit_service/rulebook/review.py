"""Finds the next day on which time alone can change what an edition says about a subject. Pure."""

from collections.abc import Iterator
from itertools import chain

from credit_service.rulebook.condition import Condition
from credit_service.rulebook.law import Edition
from credit_service.rulebook.matching import bounds
from credit_service.rulebook.usable import NEVER
from credit_service.rulebook.view import View


def next_change_day(view: View) -> int | None:
    """Returns the first later day on which a window, term, state or the edition may end.

    Until then findings, vetoes, hard record, conditions for A and pending all stay.
    """
    edition = view.edition
    days = chain(
        view.days,
        () if edition.valid_to is None else (edition.valid_to,),
        (day for condition in _conditions(edition, view) for day in bounds(condition, view)),
    )
    return min((day for day in days if view.as_of_day < day < NEVER), default=None)


def _conditions(edition: Edition, view: View) -> Iterator[Condition]:
    """Yields the conditions that the subject's kinds of facts can meet."""
    grading = edition.grading
    for clause in chain(edition.rules, grading.vetoes, grading.a_conditions, grading.pending):
        if clause.needs <= view.by_kind.keys():
            yield clause.when
    yield from edition.scopes.values()
    if grading.hard_record is not None:
        yield grading.hard_record
