"""Random lives of records: whatever is asked and decided in whatever order, nothing repaired or withdrawn is used."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from credit_service import server
from credit_service.api.house import House
from credit_service.audit.acts import Ask
from credit_service.changes import Recorder
from credit_service.cli import throwaway
from credit_service.errors import CreditError, Reason
from credit_service.grades.tables import CurrentGrade
from credit_service.ledger.append import append
from credit_service.ledger.fact import key
from credit_service.ledger.facts import facts_of
from credit_service.ledger.tables import stored_versions
from credit_service.legal_days import SHANGHAI, civil_day
from credit_service.listings.lifecycle import Surroundings
from credit_service.listings.tables import blacklisted_until
from credit_service.remedies import life
from credit_service.remedies.moves import OBJECTION, REPAIR
from credit_service.remedies.tables import RemedyRow, get_remedy, search_remedies
from credit_service.rulebook.edition import edition_for
from credit_service.settings import Settings
from tests.api.street import a_code, a_record, registered

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
# `make soak` leads two thousand.
LIVES = 20 if ROUNDS == 1 else 170 * ROUNDS
STEPS = 10
START = datetime(2026, 4, 1, 4, 0, tzinfo=UTC)
ALLOWED = {Reason.MOVE_ILLEGAL, Reason.EVENT_NOT_FOUND}
# Counted whatever became of the record, and without effect on the grade.
STATUTORY = {"ALERT"}
_REQUESTS = count(1)


@dataclass
class Told:
    """Holds an answer as it was given."""

    time: datetime
    document: str


class Records(RuleBasedStateMachine):
    """Leads the records of one subject at random."""

    house: ClassVar[House]
    counted: ClassVar[int] = 0
    granted: ClassVar[int] = 0

    def __init__(self) -> None:
        """Begins with a registered enterprise and one penalty."""
        super().__init__()
        Records.counted += 1
        self.code, self.now = a_code(), START
        self.subject = f"USCC:{self.code}"
        self.penalties: list[dict[str, Any]] = []
        self.told: list[Told] = []
        self._submit(registered(self.code))
        self.penalise("GENERAL", 200, True)

    def _submit(self, record: dict[str, Any]) -> None:
        self.now += timedelta(minutes=1)
        checked = self.house.checking.checker.check(record, self.now)
        assert checked.draft is not None, checked.problems
        with self.house.database.transaction() as session:
            receipts = append(session, [checked], self.now, self.house.writer.reception)
            self.house.assessor.assess(session, [s for r in receipts for s in r.subject_ids], self.now)

    @rule(severity=st.sampled_from(["MINOR", "GENERAL", "SERIOUS"]), days=st.integers(0, 500), accident=st.booleans())
    def penalise(self, severity: str, days: int, accident: bool) -> None:
        day = (self.now.astimezone(SHANGHAI).date() - timedelta(days=days + 1)).isoformat()
        time = f"{day}T00:00:00+08:00"
        reference = ""
        if accident:
            payload = {"accident_kind": "WORK", "deaths": 4, "liability": "LIABLE"}
            found = a_record(self.code, "ACC", payload, occur_time=time)
            self._submit(found)
            reference = found["source_record_id"]
        payload = {"articles": ["安全生产法/114"], "organ_kind": "EMERGENCY_MANAGEMENT", "severity": severity}
        penalty = a_record(
            self.code, "PEN", payload, occur_time=time, **({"refers_to": reference} if reference else {})
        )
        self.penalties.append(penalty)
        self._submit(penalty)

    @rule(pick=st.integers(0, 9), fine=st.integers(1, 10**7))
    def source_amends(self, pick: int, fine: int) -> None:
        """A later version is still the same record: repaired stays repaired, and withdrawn comes back."""
        penalty = self.penalties[pick % len(self.penalties)]
        with self.house.database.reading() as session:
            stored = stored_versions(session, [(penalty["source"], penalty["source_record_id"])])
        penalty["source_version"] = max(row.version for row in stored) + 1
        penalty["payload"] = {**penalty["payload"], "fine_fen": fine}
        self._submit(penalty)

    @rule(days=st.integers(0, 150))
    def pass_time(self, days: int) -> None:
        self.now += timedelta(days=days)
        with self.house.database.transaction() as session:
            self.house.assessor.assess(session, [self.subject], self.now)

    @rule(pick=st.integers(0, 9), kind=st.sampled_from([OBJECTION, REPAIR, REPAIR]))
    def ask(self, pick: int, kind: str) -> None:
        self._file(pick, kind)

    @rule(pick=st.integers(0, 9), is_granted=st.booleans(), is_performed=st.booleans())
    def decide(self, pick: int, is_granted: bool, is_performed: bool) -> None:
        rows = [row for row in self._remedies() if row.is_open]
        if rows:
            self._decide(rows[pick % len(rows)], is_granted=is_granted, is_performed=is_performed)

    @rule(pick=st.integers(0, 9), kind=st.sampled_from([OBJECTION, REPAIR, REPAIR]))
    def go_the_way(self, pick: int, kind: str) -> None:
        """Asks in time and grants, so that lives meet what they check."""
        self.pass_time(100)
        row = self._file(pick, kind)
        if row is not None:
            self._decide(row, is_granted=True, is_performed=True)

    @rule(pick=st.integers(0, 9))
    def revoke(self, pick: int) -> None:
        rows = [row for row in self._remedies() if row.kind == REPAIR and row.state == "GRANTED"]
        if rows:
            self._act(life.revoke_repair, rows[pick % len(rows)], self._order("REVOKE"))

    def _file(self, pick: int, kind: str) -> RemedyRow | None:
        penalty, self.now = self.penalties[pick % len(self.penalties)], self.now + timedelta(minutes=1)
        name = f"{penalty['source']}/{penalty['source_record_id']}"
        with self.house.database.reading() as session:
            facts = facts_of(session, [self.subject], self.now, self.now)[self.subject]
        event_id = next((f.event_id for f in facts if key(f) == name), 0)
        ask = Ask("FILE", "enterprise", agency="enterprise", reason="承诺", request_id=f"r{next(_REQUESTS)}")
        try:
            with self.house.database.transaction() as session:
                grounds = self._grounds(session)
                if kind == OBJECTION:
                    row = life.file_objection(session, f"event/{event_id}", ask, grounds)
                else:
                    row = life.request_repair(session, str(event_id), ask, grounds)
        except CreditError as error:
            _check_refusal(error)
            return None
        return row

    def _decide(self, row: RemedyRow, *, is_granted: bool, is_performed: bool) -> None:
        stated = {"is_penalty_performed": is_performed, "is_conduct_corrected": True}
        act = life.decide_objection if row.kind == OBJECTION else life.decide_repair
        made = self._act(act, row, self._order("GRANT" if is_granted else "DISMISS", stated))
        Records.granted += made and is_granted

    def _order(self, name: str, facts: dict[str, Any] | None = None) -> Ask:
        return Ask(
            name, "bureau/officer-1", None, "bureau", "key 1", "决〔2026〕1号", "ab" * 32, "经核实",
            f"r{next(_REQUESTS)}", facts or {},
        )  # fmt: skip

    def _act(self, act: Any, row: RemedyRow, ask: Ask) -> bool:
        self.now += timedelta(minutes=1)
        try:
            with self.house.database.transaction() as session:
                kept = get_remedy(session, row.remedy_id)
                touched = act(session, kept, ask, self._grounds(session))
                self.house.assessor.assess(session, touched, self.now)
        except CreditError as error:
            _check_refusal(error)
            return False
        return True

    def _grounds(self, session: Any) -> life.Grounds:
        facts = facts_of(session, [self.subject], self.now, self.now)[self.subject]
        is_listed = self.subject in blacklisted_until(session, [self.subject], self.now, self.now)
        around = Surroundings(self.house.assessor.edition, facts, is_listed, Recorder(self.now), self.now)
        edition = edition_for(self.house.editions(), "USCC", civil_day(self.now))
        return life.Grounds(self.subject, "ENTERPRISE", edition, around, self.house.writer.reception)

    def _remedies(self) -> list[RemedyRow]:
        with self.house.database.reading() as session:
            return list(search_remedies(session, {"subject_id": self.subject}, None, None, 1000))

    @invariant()
    def nothing_repaired_is_used(self) -> None:
        repaired = {row.record for row in self._remedies() if row.kind == REPAIR and row.state == "GRANTED"}
        with self.house.database.reading() as session:
            facts = facts_of(session, [self.subject], self.now, self.now)[self.subject]
            explained = self.house.assessor.explain(session, self.subject, self.now, self.now)
            kept = session.get_one(CurrentGrade, self.subject)
        names = {fact.event_id: key(fact) for fact in facts}
        graded = explained.graded
        parts: list[Any] = [*explained.contributions, *graded.reasons, *graded.vetoes]
        parts += [finding for finding in graded.findings if finding.effect not in STATUTORY]
        used = {names.get(event_id, "withdrawn") for part in parts for event_id in part.event_ids}
        assert not used & {*repaired, "withdrawn"}
        # What readers are told is what the ledger says now.
        assert kept.grade == graded.grade
        document = json.dumps(graded.document(), ensure_ascii=False, sort_keys=True)
        self.told.append(Told(self.now, document))

    def teardown(self) -> None:
        """What was said at any time is said again for that time, whatever was decided since."""
        with self.house.database.reading() as session:
            for told in self.told:
                graded = self.house.assessor.grades(session, [self.subject], told.time, told.time)[0]
                assert json.dumps(graded.document(), ensure_ascii=False, sort_keys=True) == told.document


def _check_refusal(error: CreditError) -> None:
    assert error.reason in ALLOWED, error
    assert error.reason != Reason.MOVE_ILLEGAL or {"move", "guard", "missing"} <= {
        k for k, v in error.facts.items() if v
    }


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Builds the house of a throw-away server without serving."""
    made = server.build_house(throwaway.prepare(Settings(), tmp_path, START), lambda: START)
    yield made
    made.database.close()
    made.audit.close()


@pytest.mark.timeout(120 * ROUNDS)
def test_no_repaired_or_withdrawn_record_is_used(house: House) -> None:
    Records.house, Records.counted, Records.granted = house, 0, 0
    run_state_machine_as_test(
        Records, settings=settings(max_examples=LIVES, stateful_step_count=STEPS, deadline=None, database=None)
    )
    assert Records.counted >= LIVES
    # The lives went far enough to try what they check; a few lives may by chance not.
    assert ROUNDS == 1 or Records.granted >= LIVES // 4
