"""Plans the shortest lawful way to a better grade: what may be done from which day, and what time alone does.

Days are walked forward with every lawful step done on its first day; the first day that shows a better grade is the
earliest there is, because no step ever worsens a grade. Steps that this day does not need are then left out. It is the
grade's own judgement that says so each time. No step hides a fact: each is a decision by an authority or a duty done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from credit_service.assessment import Assessor
from credit_service.errors import CreditError, Reason
from credit_service.grades import overrides
from credit_service.grades.grading import Graded
from credit_service.ledger.fact import Fact, key
from credit_service.ledger.facts import facts_of
from credit_service.ledger.sources import SERVICE
from credit_service.legal_days import Period, civil_day, day_start, day_text, parse_day
from credit_service.listings.moves import BLACK
from credit_service.listings.standing import Standing, standing
from credit_service.listings.tables import ListingRow, blacklisted_until, listings_of, moves
from credit_service.remedies.repairs import first_day, founding
from credit_service.rulebook.edition import edition_for
from credit_service.rulebook.law import Edition, LegalBasis
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import Statement
from credit_service.subjects.schemes import split
from credit_service.subjects.tables import SubjectRow, subjects_by_id

REPAIR, RECTIFY, LIFT_ORDER, EARLY_REMOVAL = "REPAIR", "RECTIFY", "LIFT_ORDER", "EARLY_REMOVAL"
HORIZON = Period(months=60, days=0)
# Better first; PENDING weighs like B.
RANKS: Mapping[str, int] = {"A": 0, "B": 1, "PENDING": 1, "C": 2, "D": 3}
MOST_DAYS = 400
# What a duty done writes into which kind of record.
_DUTIES = {
    "HAZ": (RECTIFY, "closed_date", "完成隐患整改并通过验收", "Rectify the hazard and have it accepted"),
    "ORD": (LIFT_ORDER, "lifted_date", "落实指令要求并申请解除", "Comply with the order and have it lifted"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """Names what may be done from a day on; `after` is the target of a step that has to come first."""

    from_day: int
    action: str
    target: str
    text_zh: str
    text_en: str
    bases: tuple[LegalBasis, ...] = ()
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """Holds the first day of a better grade and the steps that it needs."""

    grade: str
    day: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Holds the grade, the ways to better ones, nearest first, and the last day looked at."""

    grade: str
    paths: tuple[Path, ...]
    horizon_day: int
    # What grade A asks for beyond points, when every step was done.
    unmet: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """Holds one subject as it is known, ready to be judged on any later day."""

    assessor: Assessor
    row: SubjectRow
    facts: Sequence[Fact]
    # Listings in force, with how they stand.
    listings: Sequence[tuple[ListingRow, Standing]]
    # What officers decided of the grade by hand.
    stands: overrides.Standing

    def judge(self, day: int, steps: Sequence[Step]) -> Graded:
        """Judges the subject on a day as if the steps of until then were done."""
        done = {step.target: step for step in steps if step.from_day <= day}
        facts = [_after(fact, done) for fact in self.facts] + [
            _repair(fact, number, done[f"event/{fact.event_id}"])
            for number, fact in enumerate(self.facts, 1)
            if fact.kind == "PEN" and f"event/{fact.event_id}" in done
        ]
        ends = [s.last_day + 1 for r, s in self.listings if f"listing/{r.listing_id}" not in done and s.last_day]
        listed = {self.row.subject_id: max(ends)} if any(end > day for end in ends) else {}
        decided = {self.row.subject_id: self.stands.on(day)}
        return self.assessor.judge([self.row], {self.row.subject_id: facts}, day_start(day), listed, decided)[0]


def plan(session: Session, assessor: Assessor, subject_id: str, as_of: datetime, known: datetime) -> Plan:
    """Plans for one subject by what is known at a time frame; fails like a grade read."""
    row = subjects_by_id(session, [subject_id]).get(subject_id)
    graded = assessor.grades(session, [subject_id], as_of, known)[0]
    if graded.problem is not None or row is None or graded.grade is None:
        raise graded.problem or CreditError(Reason.GRADE_NOT_FOUND, f"subject: got {subject_id}, want one with a grade")
    facts = facts_of(session, [subject_id], as_of, known)[subject_id]
    is_listed = subject_id in blacklisted_until(session, [subject_id], as_of, known)
    rows = [r for r in listings_of(session, [subject_id]) if r.list == BLACK] if is_listed else []
    stood = [(r, standing([m.act() for m in moves(session, r)], as_of, known)) for r in rows]
    decided = overrides.standings(session, [subject_id], as_of, known).get(subject_id, overrides.NOTHING)
    case = _Case(assessor, row, facts, [(r, s) for r, s in stood if s.in_force], decided)
    today = civil_day(as_of)
    steps = _steps(case, edition_for(assessor.editions(), split(subject_id)[0], today), today)
    return _walk(case, steps, graded.grade, today)


def _walk(case: _Case, steps: Sequence[Step], grade: str, today: int) -> Plan:
    paths: list[Path] = []
    best, day, horizon = RANKS[grade], today, HORIZON.after(today)
    for _ in range(MOST_DAYS):
        found = case.judge(day, steps)
        if found.grade is not None and RANKS[found.grade] < best:
            best = RANKS[found.grade]
            paths.append(Path(found.grade, day, _needed(case, steps, day, best)))
        later = [step.from_day for step in steps if step.from_day > day]
        if found.next_review_day is not None and found.next_review_day > day:
            later.append(found.next_review_day)
        if best == 0 or not later or (day := min(later)) > horizon:
            break
    return Plan(grade, tuple(paths), horizon, found.unmet)


def _needed(case: _Case, steps: Sequence[Step], day: int, rank: int) -> tuple[Step, ...]:
    """Leaves out, the latest first, every step without which the day still reaches the grade."""
    needed = [step for step in steps if step.from_day <= day]
    for step in reversed(needed.copy()):
        rest = [s for s in needed if step.target not in (s.target, s.after)]
        if step in needed and RANKS[case.judge(day, rest).grade or "D"] <= rank:
            needed = rest
    return tuple(needed)


def _steps(case: _Case, edition: Edition, today: int) -> list[Step]:
    """Returns every lawful step with its first day, in order of day."""
    removals = [step for row, stood in case.listings if (step := _removal(case, edition, row, stood, today))]
    found = [*removals, *_duties(case.facts, today), *_repairs(case, edition, today, removals)]
    return sorted(found, key=lambda step: (step.from_day, step.target))


def _removal(case: _Case, edition: Edition, row: ListingRow, stood: Standing, today: int) -> Step | None:
    rule = next((r for r in edition.rules if r.id == row.rule_id), None)
    bars = [fact for fact in case.facts if rule and fact.kind in rule.early_exit_bars]
    if stood.early_from_day is None or any("until_date" not in fact.payload for fact in bars):
        return None
    day = max(today, stood.early_from_day, *(parse_day(fact.payload["until_date"]) + 1 for fact in bars))
    if stood.last_day is not None and day > stood.last_day:
        return None
    return Step(
        day, EARLY_REMOVAL, f"listing/{row.listing_id}", "履行义务、消除不良影响后申请提前移出名单",
        "Apply for early removal once duties are performed and the harm is removed", rule.bases if rule else (),
    )  # fmt: skip


def _duties(facts: Sequence[Fact], today: int) -> list[Step]:
    found = []
    for fact in facts:
        action, field, zh, en = _DUTIES.get(fact.kind, ("", "", "", ""))
        if action and field not in fact.payload:
            found.append(Step(today, action, f"event/{fact.event_id}", zh, en))
    return found


def _repairs(case: _Case, edition: Edition, today: int, removals: Sequence[Step]) -> list[Step]:
    ends = unusable_from(edition, case.facts)
    found = []
    for fact, end in zip(case.facts, ends, strict=True):
        first = first_day(edition, fact) if edition.repair else None
        if first is None:
            continue
        day, after = max(today, first), None
        for row, stood in case.listings:
            if key(fact) in founding(row.records(), case.facts):
                removal = next((s for s in removals if s.target == f"listing/{row.listing_id}"), None)
                ended = removal.from_day if removal else (stood.last_day or today) + 1
                day, after = max(day, ended), removal.target if removal else after
        if day < end:
            found.append(
                Step(
                    day, REPAIR, f"event/{fact.event_id}", "纠正失信行为、履行义务并作出信用承诺后申请信用修复",
                    "Apply for credit repair: conduct corrected, duties performed, a public commitment made",
                    tuple(dict.fromkeys(basis for condition in edition.repair for basis in condition.bases)), after,
                )
            )  # fmt: skip
    return found


def _after(fact: Fact, done: Mapping[str, Step]) -> Fact:
    step = done.get(f"event/{fact.event_id}")
    if step is None or fact.kind not in _DUTIES:
        return fact
    return fact._replace(payload={**fact.payload, _DUTIES[fact.kind][1]: day_text(step.from_day)})


def _repair(fact: Fact, number: int, step: Step) -> Fact:
    """Returns the record that a repair would be; its id is none that the ledger gives."""
    return Fact(
        -number, SERVICE, f"PLAN-{number}", 1, "REP", fact.domain, step.from_day, step.from_day, "", key(fact),
        {"decision_date": day_text(step.from_day)},
    )  # fmt: skip
