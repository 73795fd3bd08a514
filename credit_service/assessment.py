"""The river: facts → findings → candidates → grades, many subjects at once; writes only what moved."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from sqlmodel import Session

from credit_service import __version__
from credit_service.changes import Recorder
from credit_service.database import from_microseconds
from credit_service.errors import CreditError, Reason
from credit_service.grades.grading import Case, Explained, Graded, explain, grade_many
from credit_service.grades.keeping import Verdict, keep
from credit_service.grades.overrides import NOTHING, Standing, decided_between, standings
from credit_service.grades.scorecard import Scorecard
from credit_service.grades.scoring import MODEL, RULES
from credit_service.grades.tables import standing_rows
from credit_service.ledger.fact import Fact, key, place_of
from credit_service.ledger.facts import facts_of
from credit_service.ledger.figures import PackedFacts
from credit_service.ledger.relations import bearers
from credit_service.ledger.tables import is_level, last_collect_time
from credit_service.legal_days import civil_day
from credit_service.listings.lifecycle import Surroundings, propose
from credit_service.listings.moves import CANDIDATE
from credit_service.listings.tables import ListingRow, acted_between, blacklisted_until, listings_of
from credit_service.rulebook.edition import edition_for
from credit_service.rulebook.evaluate import evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.laws import FEW
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.view import View
from credit_service.subjects.schemes import split
from credit_service.subjects.tables import Judged, kinds_of, met, regions_of, subjects_by_id

PERSON = "PERSON"
# As of, and known by.
Frame = tuple[datetime, datetime]


class Restated(NamedTuple):
    """Holds a grade of an earlier time by what is known later, and the events that make the difference."""

    time: datetime
    graded: Graded
    added: tuple[int, ...]
    gone: tuple[int, ...]


class Kept(NamedTuple):
    """Holds what is kept of a subject; the after-image of its grade, and since when, only where it still stands."""

    kind: str
    supervising_region: str | None
    document: dict[str, Any] | None
    since: datetime | None

    def grade(self, known: datetime) -> dict[str, Any] | None:
        """Returns the after-image of the grade that stood by a time of knowledge."""
        return self.document if self.since is not None and self.since <= known else None


@dataclass(frozen=True, slots=True)
class Assessor:
    """Judges subjects under the editions in force with the models they name."""

    editions: Callable[[], Sequence[Edition]]
    scorecards: Mapping[str, Scorecard]

    def assess(self, session: Session, subject_ids: Sequence[str], now: datetime) -> int:
        """Brings candidates, grades and feed of the subjects up to date; returns the last revision.

        Repeating it changes nothing. Runs inside the caller's writing transaction.
        """
        ids = bearers(session, subject_ids)
        known = kinds_of(session, ids)
        facts = facts_of(session, ids, now, now, is_crowd=self._is_crowd(ids, now), is_packing=True)
        rows = [known[i] for i in ids if i in known]
        listed = blacklisted_until(session, ids, now, now)
        decided = standings(session, ids, now, now)
        graded = self.judge(rows, facts, now, listed, decided)
        recorder = Recorder(now)
        existing: dict[str, list[ListingRow]] = {}
        for row in listings_of(session, ids):
            existing.setdefault(row.subject_id, []).append(row)
        # Without an edition in force nothing may be said, so nothing may be withdrawn either.
        told = [g for g in graded if g.edition_id and (g.subject_id in existing or _may_list(g))]
        PackedFacts.read(facts[g.subject_id] for g in told)
        for g in told:
            findings = [(g.edition_id, finding) for finding in g.findings]
            around = Surroundings(self.edition, facts[g.subject_id], g.subject_id in listed, recorder, now)
            propose(session, (g.subject_id, g.subject_kind), findings, existing.get(g.subject_id, []), around)
        if existing:
            # A listing may have ended or been suspended just now: the grade follows in the same transaction.
            listed_now = blacklisted_until(session, list(existing), now, now)
            moved = {i for i in existing if listed.get(i) != listed_now.get(i)}
            again = self.judge([row for row in rows if row.subject_id in moved], facts, now, listed_now, decided)
            graded = [g for g in graded if g.subject_id not in moved] + again
        return keep(session, self.verdicts(graded), recorder, now)

    def verdicts(self, graded: Sequence[Graded]) -> list[Verdict]:
        """Returns grades as they are kept; subjects without one are left out."""
        bases: dict[tuple[str, str | None, str], str] = {}
        found = []
        for g in graded:
            if g.grade is None:
                continue
            judged_by = (g.edition_id, g.model_id, split(g.subject_id)[0])
            basis = bases.get(judged_by)
            if basis is None:
                basis = bases[judged_by] = self._basis(*judged_by, g.as_of_day)
            document, digest = g.written()
            found.append(
                Verdict(
                    g.subject_id, g.subject_kind, g.grade, g.score, digest, g.next_review_day, document,
                    g.is_review_open, basis,
                )
            )  # fmt: skip
        return found

    def said(self, session: Session, subject_ids: Sequence[str], now: datetime) -> tuple[list[Verdict], list[str]]:
        """Returns what `assess` would keep, and the subjects of which it might move a listing; writes nothing."""
        known = kinds_of(session, subject_ids)
        facts = facts_of(session, list(known), now, now, is_crowd=self._is_crowd(known, now))
        listed = blacklisted_until(session, list(known), now, now)
        with_listings = {row.subject_id for row in listings_of(session, list(known))}
        graded = self.judge(list(known.values()), facts, now, listed, standings(session, list(known), now, now))
        others = {g.subject_id for g in graded if _may_list(g)} | with_listings
        return self.verdicts([g for g in graded if g.subject_id not in others]), sorted(others)

    def _is_crowd(self, subject_ids: Collection[str], as_of: datetime) -> bool:
        """Says whether subjects are judged by figures; the lines of the rule score look at every fact."""
        modes = {edition.grading.mode for edition in self.editions() if edition.is_in_force(civil_day(as_of))}
        return len(subject_ids) >= FEW and modes <= {MODEL}

    def missing_models(self, day: int) -> dict[str, str]:
        """Returns the model of every edition in force that is not there, by edition; nobody is graded under those."""
        wanted = {e.id: e.grading.model for e in self.editions() if e.is_in_force(day) and e.grading.mode != RULES}
        return {edition_id: model for edition_id, model in wanted.items() if model not in self.scorecards}

    def edition(self, edition_id: str) -> Edition:
        """Returns an edition that may be named by a listing; fails with EDITION_NOT_FOUND."""
        for edition in self.editions():
            if edition.id == edition_id:
                return edition
        raise CreditError(Reason.EDITION_NOT_FOUND, f"edition_id: got {edition_id}, want an installed edition")

    def grades(self, session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> list[Graded]:
        """Returns the grades of the subjects at a time frame, in order; writes nothing."""
        rows = met(session, subject_ids)
        facts = facts_of(session, list(rows), as_of, known, is_crowd=self._is_crowd(rows, as_of))
        seen = {i: row for i, (row, since) in rows.items() if since <= known}
        listed = blacklisted_until(session, list(seen), as_of, known)
        decided = standings(session, list(seen), as_of, known)
        found = {g.subject_id: g for g in self.judge(list(seen.values()), facts, as_of, listed, decided)}
        return [found.get(i) or _unknown(i, civil_day(as_of), rows.get(i)) for i in subject_ids]

    def grades_each(self, session: Session, asked: Sequence[tuple[str, Frame]]) -> list[Graded]:
        """Returns the grades of subjects, each at a time frame of its own, in order; writes nothing.

        Frames of one civil day are judged together where they answer alike: no fact, listing or decision of the
        subject begins to count between them.
        """
        if len(asked) == 1:
            ((subject_id, frame),) = asked
            return self.grades(session, [subject_id], *frame)
        last = last_collect_time(session)
        together: dict[tuple[int, datetime | None], list[tuple[str, Frame]]] = {}
        for subject_id, (as_of, known) in asked:
            # Who knows the last event knows them all.
            by = known if last is not None and known < last else None
            together.setdefault((civil_day(as_of), by), []).append((subject_id, (as_of, known)))
        found: dict[tuple[str, Frame], Graded] = {}
        for some in together.values():
            found |= self._judged_together(session, some, last)
        return [found[one] for one in asked]

    def _judged_together(
        self, session: Session, asked: Sequence[tuple[str, Frame]], last: datetime | None
    ) -> dict[tuple[str, Frame], Graded]:
        """Judges frames of one day and one knowledge of the ledger; what moves between them, at each by itself."""
        as_of, known = zip(*(frame for _, frame in asked), strict=True)
        first, final = (min(as_of), min(known)), (max(as_of), max(known))
        ids = list(dict.fromkeys(one for one, _ in asked))
        moving = _moving(session, ids, (first, final), last)
        frames = {(one, frame): frame if one in moving else final for one, frame in asked}
        by_frame: dict[Frame, dict[str, None]] = {}
        for (subject_id, _), frame in frames.items():
            by_frame.setdefault(frame, {})[subject_id] = None
        graded = {
            (one.subject_id, frame): one
            for frame, ids in by_frame.items()
            for one in self.grades(session, list(ids), *frame)
        }
        return {(one, asked_at): graded[one, frame] for (one, asked_at), frame in frames.items()}

    def restated(self, session: Session, subject_id: str, times: Sequence[datetime], known: datetime) -> list[Restated]:
        """Returns what grades of earlier times are by what is known later, where other facts make them others.

        What software, model and edition would say otherwise is no restatement: both sides are judged alike.
        """
        found = []
        for time in times:
            then, later = (
                {fact.event_id for fact in facts_of(session, [subject_id], time, by)[subject_id]}
                for by in (time, known)
            )
            if then == later:
                continue
            before, after = (self.grades(session, [subject_id], time, by)[0] for by in (time, known))
            if (before.grade, before.score) != (after.grade, after.score):
                found.append(Restated(time, after, tuple(sorted(later - then)), tuple(sorted(then - later))))
        return found

    def kept(self, session: Session, subject_ids: Sequence[str], day: int) -> dict[str, Kept]:
        """Returns what is kept of the known subjects, with those grades that judging again would not change.

        That is so when every event was judged, no day has come since on which time could move the grade, and edition,
        model and program are still those that judged it.
        """
        is_judged, found = is_level(session), dict[str, Kept]()
        bases: dict[tuple[str, str | None, str], str] = {}
        for subject_id, kind, region, text, next_day, assessed, basis in standing_rows(session, subject_ids):
            found[subject_id] = Kept(kind, region, None, None)
            if is_judged and text is not None and (next_day is None or day < next_day):
                document: dict[str, Any] = orjson.loads(text)
                judged_by = (document["edition_id"], document.get("model_id"), split(subject_id)[0])
                if judged_by not in bases:
                    bases[judged_by] = self._basis(*judged_by, day)
                if basis == bases[judged_by]:
                    found[subject_id] = Kept(kind, region, document, from_microseconds(assessed))
        return found

    def met(self, session: Session, subject_ids: Sequence[str]) -> dict[str, Kept]:
        """Returns the known subjects, for questions that no kept grade answers."""
        rows = regions_of(session, subject_ids)
        return {subject_id: Kept(kind, region, None, None) for subject_id, kind, region in rows}

    def bases(self, day: int) -> frozenset[str]:
        """Returns what a grade of the day may have been judged by, of every scheme that an edition governs."""
        editions = self.editions()
        schemes = {scheme for edition in editions if edition.is_in_force(day) for scheme in edition.schemes}
        governing = ((edition_for(editions, scheme, day), scheme) for scheme in schemes)
        return frozenset(self._basis(edition.id, None, scheme, day) for edition, scheme in governing)

    def _basis(self, edition_id: str, model_id: str | None, scheme: str, day: int) -> str:
        """Names what judges a scheme on a day, empty when it is not what is named."""
        edition = edition_for(self.editions(), scheme, day)
        card = self.scorecards.get(edition.grading.model)
        if edition.id != edition_id or model_id not in {None, card and card.model_id}:
            return ""
        return f"{edition.digest} {card.model_id if card else '-'} {__version__}"

    def explain(self, session: Session, subject_id: str, as_of: datetime, known: datetime) -> Explained:
        """Explains the grade of one subject; fails like a grade read."""
        graded = self.grades(session, [subject_id], as_of, known)[0]
        if graded.problem is not None:
            raise graded.problem
        facts = facts_of(session, [subject_id], as_of, known)[subject_id]
        edition = edition_for(self.editions(), split(subject_id)[0], civil_day(as_of))
        until = blacklisted_until(session, [subject_id], as_of, known).get(subject_id)
        decided = standings(session, [subject_id], as_of, known)
        case = _case(subject_id, graded.subject_kind, facts, until, decided)
        return explain(edition, self.scorecards.get(edition.grading.model), case, civil_day(as_of))

    def tried(
        self,
        session: Session,
        subject_id: str,
        sent: Sequence[Fact],
        withdrawn: frozenset[str],
        frame: tuple[datetime, datetime],
    ) -> Graded:
        """Grades one subject as if records had been sent and others withdrawn; writes nothing.

        A record that is sent takes the place of its former version. Fails with EVENT_NOT_FOUND.
        """
        rows = subjects_by_id(session, [subject_id])
        facts = facts_of(session, [subject_id], *frame)[subject_id]
        if unknown := withdrawn - {str(fact.event_id) for fact in facts}:
            want = "events of the subject that stand"
            raise CreditError(Reason.EVENT_NOT_FOUND, f"without_event_ids: got {min(unknown)}, want {want}")
        gone = {key(fact) for fact in sent}
        kept = [fact for fact in facts if str(fact.event_id) not in withdrawn and key(fact) not in gone]
        supposed = sorted([*kept, *sent], key=place_of)
        listed = blacklisted_until(session, [subject_id], *frame)
        decided = standings(session, [subject_id], *frame)
        return self.judge(list(rows.values()), {subject_id: supposed}, frame[0], listed, decided)[0]

    def lapsed(self, session: Session, subject_id: str, event_ids: Sequence[int], now: datetime) -> list[int]:
        """Returns those of the events that may no longer be used now: repaired, revoked, withdrawn or expired."""
        day = civil_day(now)
        facts = facts_of(session, [subject_id], now, now)[subject_id]
        edition = edition_for(self.editions(), split(subject_id)[0], day)
        ends = zip(facts, unusable_from(edition, facts), strict=True)
        usable = {fact.event_id for fact, end in ends if day < end}
        return [event_id for event_id in event_ids if event_id not in usable]

    def judge(
        self,
        rows: Sequence[Judged],
        facts: Mapping[str, Sequence[Fact]],
        as_of: datetime,
        listed: Mapping[str, int],
        decided: Mapping[str, Standing] = MappingProxyType({}),
    ) -> list[Graded]:
        """Judges subjects by given facts under the editions in force on the day, grouped by scheme; reads nothing.

        `listed` maps subjects on the blacklist to the first day on which they no longer are; `decided` holds what
        officers decided of their grades.
        """
        day = civil_day(as_of)
        by_scheme: dict[str, list[Judged]] = {}
        for row in rows:
            by_scheme.setdefault(row.scheme, []).append(row)
        graded: list[Graded] = []
        for scheme, members in by_scheme.items():
            try:
                edition = edition_for(self.editions(), scheme, day)
            except CreditError as error:
                graded.extend(Graded(m.subject_id, m.kind, day, problem=error) for m in members)
                continue
            others = [m for m in members if m.kind != PERSON]
            cases = [
                _case(m.subject_id, m.kind, facts[m.subject_id], listed.get(m.subject_id), decided) for m in others
            ]
            graded.extend(self._grade(edition, others, cases, day))
            # Persons are never graded, but the rules speak of them too.
            persons = [m for m in members if m.kind == PERSON]
            PackedFacts.read(facts[m.subject_id] for m in persons)
            graded.extend(_ungraded(edition, m, facts[m.subject_id], day, _PERSON_PROBLEM) for m in persons)
        return graded

    def _grade(self, edition: Edition, members: Sequence[Judged], cases: Sequence[Case], day: int) -> list[Graded]:
        """Grades what may be graded; the rules speak also when the model is missing."""
        try:
            return grade_many(edition, self.scorecards.get(edition.grading.model), cases, day)
        except CreditError as error:
            PackedFacts.read(case.facts for case in cases)
            pairs = zip(members, cases, strict=True)
            return [_ungraded(edition, member, case.facts, day, error) for member, case in pairs]


def _moving(
    session: Session, subject_ids: Sequence[str], frames: tuple[Frame, Frame], last: datetime | None
) -> frozenset[str]:
    """Returns the subjects of which anything begins to count after one time frame and by another of the same day.

    As time passes facts are only added, while nothing more becomes known of the ledger: as many at both frames are the
    same at every frame between them.
    """
    first, final = frames
    if first == final:
        return frozenset()
    moved = set[str]()
    if last is not None and first[0] < last:
        then, later = (facts_of(session, subject_ids, *frame) for frame in (first, final))
        moved = {one for one in subject_ids if len(then[one]) != len(later[one])}
    listed = acted_between(session, subject_ids, first, final)
    return frozenset(moved | listed | decided_between(session, subject_ids, min(first), min(final)))


def _may_list(graded: Graded) -> bool:
    return any(finding.effect == CANDIDATE for finding in graded.findings)


def _case(
    subject_id: str, kind: str, facts: Sequence[Fact], until: int | None, decided: Mapping[str, Standing]
) -> Case:
    stands = decided.get(subject_id, NOTHING)
    return Case(subject_id, kind, facts, until, stands.override, stands.review)


_PERSON_PROBLEM = CreditError(
    Reason.GRADE_NOT_FOUND, "subject: got a person, want an enterprise; persons are never graded"
)


def _ungraded(edition: Edition, row: Judged, facts: Sequence[Fact], day: int, problem: CreditError) -> Graded:
    usable = unusable_from(edition, facts)
    graded = Graded(row.subject_id, row.kind, day, edition_id=edition.id, problem=problem)
    return replace(graded, findings=tuple(evaluate(View(edition, facts, usable, day), row.scheme)))


def _unknown(subject_id: str, day: int, row: tuple[Judged, datetime] | None) -> Graded:
    want = f"a known_time from {row[1].isoformat()}, its first event" if row else "a known subject"
    problem = CreditError(Reason.SUBJECT_NOT_FOUND, f"subject: got {subject_id}, want {want}")
    return Graded(subject_id, "", day, problem=problem)
