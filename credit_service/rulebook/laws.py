"""What the law of an edition says of many subjects on one day: findings, vetoes, statements, the next day. Pure.

Most clauses are decided for all subjects at once by `screen`. One subject is looked at by itself only where a proof is
wanted, or where links between records decide.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from credit_service.arrays import NEVER, Bools, Ints
from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import key
from credit_service.ledger.figures import PackedFacts
from credit_service.rulebook.condition import Condition, HardRecord
from credit_service.rulebook.evaluate import Finding, applies, evaluate, findings, found_by
from credit_service.rulebook.law import Clause, Edition
from credit_service.rulebook.matching import Match, firsts, holds
from credit_service.rulebook.review import next_change_day
from credit_service.rulebook.screen import Screen, ToldOf
from credit_service.rulebook.usable import crowd_unusable_from
from credit_service.rulebook.vetoes import Statement, Veto, is_met, matches_of, statement, veto, vetoes
from credit_service.rulebook.view import Told, View

C = TypeVar("C", bound=Clause)
# Fewer subjects are looked at one by one: arrays would cost more than they save.
FEW = 8
_HARD = HardRecord()
_ANYWHERE = (Match(0, NEVER, 0, (), ()),)


def _is_ordered(matches: Sequence[Match]) -> bool:
    """Says whether the days on which matches begin put them in order."""
    return len({match.start for match in matches}) == len(matches)


def _rows(marks: Bools) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in marks.tolist()]


class Laws:
    """Answers what the law says of each subject, by its place."""

    def __init__(
        self,
        edition: Edition,
        crowd: Crowd,
        day: int,
        lists: Sequence[Sequence[str]],
    ) -> None:
        """Takes facts, and the lists on which subjects stand."""
        self.crowd, self.day = crowd, day
        # The first day on which each row may no longer be used.
        self.unusable_from: Ints = crowd_unusable_from(edition, crowd)
        self._edition, self._lists = edition, lists
        self._views: dict[int, View] = {}
        self._names: dict[int, dict[int, str]] = {}
        self._scopes: dict[str, tuple[dict[int, list[Match]], Bools]] = {}
        is_few = len(crowd.facts) < FEW
        self._screen = None if is_few else Screen(edition, crowd, self.unusable_from, day, lists)
        self._rules = self._sorted(edition.rules)
        self._vetoes = self._sorted(edition.grading.vetoes)
        self._read()
        self._known: dict[int, tuple[list[bool], list[bool]]] = {}
        self._days: list[int] | None = None
        self._unmet: list[tuple[Statement, ...] | None] | None = None

    def view(self, subject: int) -> View:
        """Returns the view of one subject by what the screen knows of the law, made when it is first asked for."""
        found = self._views.get(subject)
        if found is None:
            told = None if self._screen is None else ToldOf(self._screen, subject)
            found = self._views[subject] = self.whole_view(subject, told)
        return found

    def whole_view(self, subject: int, told: Told | None = None) -> View:
        """Returns a view of one subject that looks at the facts for whatever is not told."""
        facts, ends = self.crowd.facts[subject], self.ends(subject)
        return View(self._edition, facts, ends, self.day, self._lists[subject], told)

    def _read(self) -> None:
        """Reads the facts to look at: of few subjects all, else where matches begin on one day and names decide."""
        if self._screen is None:
            PackedFacts.read(self.crowd.facts)
            return
        wanted = (any(found is not None and not _is_ordered(found) for _, found in mine) for mine in self._rules or ())
        PackedFacts.read(facts for facts, is_wanted in zip(self.crowd.facts, wanted, strict=True) if is_wanted)

    def ends(self, subject: int) -> list[int]:
        """Returns the first day on which each fact of one subject may no longer be used."""
        start, end = self.crowd.offsets[subject : subject + 2].tolist()
        found: list[int] = self.unusable_from[start:end].tolist()
        return found

    def findings(self, subject: int, scheme: str) -> list[Finding]:
        """Returns the findings that stand, in the order of the rules."""
        if self._rules is None:
            return evaluate(self.view(subject), scheme)
        found: list[Finding] = []
        for rule, matches in self._rules[subject]:
            scopes = _ANYWHERE if rule.scope is None else self._scope(rule.scope, subject)
            if matches is None or scopes is None:
                found.extend(findings(rule, self.view(subject), scheme))
            elif scopes and rule.is_founded and applies(rule, scheme):
                named = partial(self._named, subject)
                scope = firsts(scopes, named)[0].proof if rule.scope is not None else ()
                found.extend(found_by(rule, matches, scope, named))
        return found

    def _scope(self, scope: str, subject: int) -> Sequence[Match] | None:
        """Returns what shows a subject in scope, empty outside; nothing where the one subject must be asked."""
        if self._screen is None:
            return None
        known = self._scopes.get(scope)
        if known is None:
            known = self._scopes[scope] = self._screen.proofs(self._edition.scopes[scope])
        matches, are_unsure = known
        return None if are_unsure[subject] else matches.get(subject, ())

    def vetoes(self, subject: int) -> list[Veto]:
        """Returns the vetoes in force, in the edition's order, each with all its proof."""
        if self._vetoes is None:
            return vetoes(self.view(subject))
        looked = [
            (rule, matches_of(rule, self.view(subject)) if matches is None else matches)
            for rule, matches in self._vetoes[subject]
        ]
        return [veto(rule, matches) for rule, matches in looked if matches]

    def pending(self, subject: int, scheme: str) -> Statement | None:
        """Returns why the subject is not graded yet 待评定, nothing when it is."""
        for rule in self._edition.grading.pending:
            if scheme in rule.schemes and self._is_met(rule, subject):
                return statement(rule)
        return None

    def unmet(self, subject: int) -> tuple[Statement, ...]:
        """Returns the conditions for grade A that are not met."""
        if self._unmet is None:
            self._unmet = self._surely_unmet()
        found = self._unmet[subject]
        if found is not None:
            return found
        return tuple(statement(c) for c in self._edition.grading.a_conditions if not self._is_met(c, subject))

    def _surely_unmet(self) -> list[tuple[Statement, ...] | None]:
        """Returns by subject the conditions for A that are not met, None where the screen is not sure of all."""
        conditions, count = self._edition.grading.a_conditions, len(self.crowd.facts)
        if self._screen is None:
            return [None] * count
        bounds = [self._screen.bounds(one.when) for one in conditions]
        unsure, met = np.zeros(count, dtype=np.bool_), np.empty((count, len(conditions)), dtype=np.bool_)
        for place, (may, must) in enumerate(bounds):
            unsure |= may != must
            met[:, place] = must
        stated = [statement(one) for one in conditions]
        # Few ways of falling short are met by many.
        ways = {way: tuple(s for s, is_met in zip(stated, way, strict=True) if not is_met) for way in set(_rows(met))}
        pairs = zip(_rows(met), unsure.tolist(), strict=True)
        return [None if is_unsure else ways[way] for way, is_unsure in pairs]

    def has_hard_record(self, subject: int) -> bool:
        """Says whether a score below the edge of D may show D; without it the score shows C."""
        sure = self._surely(_HARD, subject)
        return holds(_HARD, self.view(subject)) if sure is None else sure

    def next_day(self, subject: int) -> int | None:
        """Returns the first later day on which a window, term, state or the edition may end."""
        if self._screen is None:
            return next_change_day(self.view(subject))
        if self._days is None:
            self._days = self._screen.next_days().tolist()
        return None if self._days[subject] >= NEVER else self._days[subject]

    def _named(self, subject: int, event_ids: tuple[int, ...]) -> tuple[str, ...]:
        """Returns the names of the records of some events of a subject, sorted."""
        names = self._names.get(subject)
        if names is None:
            names = self._names[subject] = {fact.event_id: key(fact) for fact in self.crowd.facts[subject]}
        return tuple(sorted(names[event_id] for event_id in event_ids))

    def _is_met(self, clause: Clause, subject: int) -> bool:
        sure = self._surely(clause.when, subject)
        return is_met(clause, self.view(subject)) if sure is None else sure

    def _surely(self, condition: Condition, subject: int) -> bool | None:
        """Returns what the screen says, None where it is not sure."""
        if self._screen is None:
            return None
        known = self._known.get(id(condition))
        if known is None:
            bounds = self._screen.bounds(condition)
            known = self._known[id(condition)] = bounds.may.tolist(), bounds.must.tolist()
        may, must = known
        return must[subject] if may[subject] == must[subject] else None

    def _sorted(self, clauses: Iterable[C]) -> list[list[tuple[C, list[Match] | None]]] | None:
        """Returns by subject the clauses that may hold, with their matches, None where `matching` must be asked."""
        if self._screen is None:
            return None
        found: list[list[tuple[C, list[Match] | None]]] = [[] for _ in range(self._screen.subjects)]
        for clause in clauses:
            matches, are_unsure = self._screen.proofs(clause.when)
            unsure = set(np.flatnonzero(are_unsure).tolist())
            for subject in unsure.union(matches):
                found[subject].append((clause, None if subject in unsure else matches[subject]))
        return found
