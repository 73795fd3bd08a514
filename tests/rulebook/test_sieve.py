"""The sieve says of every fact what a look at every pattern would say, and remembers no more than it may."""

from itertools import combinations

import pytest
from hypothesis import given

from credit_service.ledger.fact import Fact
from credit_service.rulebook import sieve
from credit_service.rulebook.condition import FactPattern, parts_of, passes
from credit_service.rulebook.law import Edition
from tests.rulebook.test_properties import FACTS, SETTINGS


def patterns(edition: Edition) -> list[FactPattern]:
    """Returns every pattern of an edition."""
    grading = edition.grading
    lines = grading.points.lines if grading.points else ()
    clauses = (*edition.rules, *grading.vetoes, *grading.a_conditions, *grading.pending)
    conditions = [*(clause.when for clause in clauses), *edition.scopes.values()]
    conditions += [case.when for line in lines for case in line.cases]
    conditions += [] if grading.hard_record is None else [grading.hard_record]
    return [part for condition in conditions for part in parts_of(condition) if isinstance(part, FactPattern)]


@SETTINGS
@given(FACTS)
def test_sieve_passes_what_every_look_would(cn: Edition, facts: list[Fact]) -> None:
    every = patterns(cn)
    assert len(every) > 50
    for fact in facts:
        wanted = {
            id(pattern)
            for pattern in every
            if pattern.kind == fact.kind and pattern.domain in {None, fact.domain}
            if passes(pattern.tests, fact.payload)
        }
        # Twice: the second answer is remembered.
        assert set(cn.sieve.of(fact)) == set(cn.sieve.of(fact)) == wanted


def test_what_is_remembered_is_bounded(cn: Edition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "REMEMBERED", 4)
    names = [id(pattern) for pattern in patterns(cn)]
    first = cn.sieve.turning(frozenset(names[:2]))
    for pair in combinations(names[:12], 2):
        cn.sieve.turning(frozenset(pair))
    assert len(cn.sieve._turnings) <= 4  # nothing else shows it
    assert cn.sieve.turning(frozenset(names[:2])) == first
