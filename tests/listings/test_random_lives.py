"""Random lives of a listing: whatever officers, sources and time do, nothing is in force that the law does not want."""

import os
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.ledger.fact import Fact
from credit_service.legal_days import civil_day, parse_day
from credit_service.listings.moves import MOVES, OFFICER
from credit_service.listings.tables import ListingMoveRow, ListingRow
from credit_service.rulebook.calendar import shipped_calendar
from credit_service.rulebook.edition import load_editions
from tests.listings.life import Life, at, open_tables

# `make soak` leads 2,400.
ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
LIVES = 100 if ROUNDS == 1 else 200 * ROUNDS
STEPS = 6
EDITIONS = load_editions()
VERBS = sorted({name for (name, list_), move in MOVES.items() if move.actor == OFFICER and list_ == "BLACK"})
# A lawful way to the end, so that lives do not all end early.
WAY = (
    "NOTIFY", "SERVE_NOTICE", "WAIVE_REPLY", "DECIDE", "CONFIRM", "SERVE_DECISION", "PUBLISH", "APPLY_REMOVAL",
    "ACCEPT_REMOVAL", "REMOVE_EARLY", "PROPOSE_REINSTATEMENT", "REINSTATE",
)  # fmt: skip
SECOND = {"CONFIRM", "REINSTATE"}
ALLOWED_REFUSALS = {
    Reason.MOVE_ILLEGAL, Reason.SECOND_OFFICER_SAME, Reason.FIELD_MISSING, Reason.TIME_ORDER, Reason.TIME_IN_FUTURE,
}  # fmt: skip
START = at("2026-09-01")
TERM = timedelta(days=3 * 365)


def _fact(event_id: int, kind: str, day: str, refers_to: str | None = None, **payload: Any) -> Fact:
    number = parse_day(day)
    target = f"city/{refers_to}" if refers_to else None
    return Fact(event_id, "city", f"R-{event_id}", 1, kind, "WORK", number, number, "", target, payload)


FACTS = [
    _fact(1, "REG", "2010-01-01", sectors=["CHEMICAL"], founded_date="2010-01-01"),
    _fact(2, "ACC", "2026-05-10", level="MAJOR", deaths=11, liability="LIABLE"),
    _fact(3, "PEN", "2026-08-01", "R-2", organ_kind="EMERGENCY_MANAGEMENT", severity="SERIOUS"),
]  # fmt: skip


class Lives(RuleBasedStateMachine):
    """Leads one subject's listings at random."""

    database: ClassVar[Database]
    counted: ClassVar[int] = 0
    reached: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        """Begins with a candidate."""
        super().__init__()
        # A subject of its own in one database: making tables anew would cost more than the life.
        self.life = Life(Lives.database, EDITIONS, (f"USCC:life-{Lives.counted}", "ENTERPRISE"))
        self.life.facts = list(FACTS)
        self.now: datetime = START
        Lives.counted += 1

    @initialize(stage=st.integers(0, len(WAY)), years=st.sampled_from([0, 0, 0, 1, 3]))
    def begin(self, stage: int, years: int) -> None:
        """A life is met at any stage of the lawful way, so that the later ones are tried as often as the first."""
        self.life.tick(self.now)
        self.go_the_way(stage)
        self.now += timedelta(days=366 * years)
        self.life.tick(self.now)

    def teardown(self) -> None:
        Lives.reached |= {move.name for row in self.life.rows() for move in self.life.moves(row)}

    def _row(self) -> ListingRow:
        return self.life.rows()[-1]

    @rule(days=st.one_of(st.integers(0, 12), st.integers(300, 420)))
    def pass_time(self, days: int) -> None:
        self.now += timedelta(days=days, minutes=1)

    @rule(
        name=st.sampled_from(VERBS),
        officer=st.sampled_from(["officer-1", "officer-2", "elsewhere/officer-3"]),
        key=st.sampled_from(["key 1", "key 2"]),
        lacks=st.sampled_from(["", "", "", "document_no", "reason", "is_penalty_performed"]),
    )
    def try_any(self, name: str, officer: str, key: str, lacks: str) -> None:
        self._try(name, officer, key, **({lacks: None} if lacks else {}))

    @rule(pick=st.integers(0, 99), person=st.sampled_from(["officer-1", "officer-2"]))
    def make_a_fitting_move(self, pick: int, person: str) -> None:
        """Tries what the state allows; guards may still refuse it."""
        state = self._row().state
        fitting = [name for name in VERBS if state in MOVES[name, "BLACK"].from_states]
        if fitting:
            self._try(fitting[pick % len(fitting)], person, f"key of {person}")

    @rule(steps=st.integers(1, 4))
    def go_the_way(self, steps: int) -> None:
        for _ in range(steps):
            made = [move.name for move in self.life.moves(self._row())]
            name = next((n for n in WAY if n not in made), None)
            if name is None:
                return
            self.now += timedelta(days=366 if name == "APPLY_REMOVAL" else 0, minutes=1)
            person = "officer-2" if name in SECOND else "officer-1"
            self._try(name, person, f"key of {person}")

    def _try(self, name: str, officer: str, key: str, **given: Any) -> None:
        row = self._row()
        before = self.life.moves(row)
        refused: CreditError | None = None
        try:
            self.life.act(row, name, officer, self.now, officer_key=key, **given)
        except CreditError as error:
            refused = error
        if refused is not None:
            assert refused.reason in ALLOWED_REFUSALS, refused
            is_named = {"move", "guard", "missing"} <= {name for name, said in refused.facts.items() if said}
            assert is_named or refused.reason != Reason.MOVE_ILLEGAL
            assert self.life.moves(row) == before
            return
        made = self.life.moves(row)
        assert len(made) == len(before) + 1
        _check_move(made, self.now)

    @rule(event=st.sampled_from([2, 3]))
    def source_takes_a_record_back(self, event: int) -> None:
        self.life.retracted.setdefault(event, self.now)
        self.now += timedelta(minutes=1)
        self.life.tick(self.now)

    @precondition(lambda self: self.life.retracted)
    @rule()
    def source_sends_it_again(self) -> None:
        self.life.retracted.clear()
        self.now += timedelta(minutes=1)
        self.life.tick(self.now)

    @rule()
    def tick(self) -> None:
        self.life.tick(self.now)
        kept = [(row, self.life.moves(row)) for row in self.life.rows()]
        self.life.tick(self.now)
        assert [(row, self.life.moves(row)) for row in self.life.rows()] == kept

    @invariant()
    def nothing_is_in_force_without_its_law(self) -> None:
        until = self.life.blacklisted_until(self.now, self.now)
        in_force = [row for row in self.life.rows() if row.is_in_force(civil_day(self.now))]
        assert (until is not None) == bool(in_force)
        for row in in_force:
            _check_force(row, self.life.moves(row), self.now)


def _last(moves: list[ListingMoveRow], *names: str) -> ListingMoveRow | None:
    return next((move for move in reversed(moves) if move.name in names), None)


def _must(moves: list[ListingMoveRow], *names: str) -> ListingMoveRow:
    found = _last(moves, *names)
    assert found is not None, names
    return found


def _check_force(row: ListingRow, moves: list[ListingMoveRow], now: datetime) -> None:
    """Invariant 3, read from the moves alone."""
    decided, begun = _must(moves, "DECIDE"), _must(moves, "CONFIRM", "REINSTATE")
    notice, served = _must(moves, "NOTIFY"), _must(moves, "SERVE_NOTICE")
    assert all((decided.document_no, notice.document_no, decided.reason))
    assert notice.number < served.number < decided.number < begun.number
    first = decided if begun.name == "CONFIRM" else _must(moves, "PROPOSE_REINSTATEMENT")
    assert first.actor != begun.actor
    assert first.key != begun.key
    reply_ended = shipped_calendar().last_day(civil_day(served.legal_time), 5, is_right=True).day
    waived = _last(moves, "WAIVE_REPLY")
    assert civil_day(decided.legal_time) > reply_ended or (waived and waived.number < decided.number)
    stated, answered = _last(moves, "STATE"), _last(moves, "ANSWER_STATEMENT")
    assert stated is None or (answered and stated.number < answered.number < decided.number)
    assert now - begun.legal_time < TERM + timedelta(days=3)
    ended, stayed, lifted = _last(moves, "REVOKE", "REMOVE_EARLY"), _last(moves, "STAY"), _last(moves, "LIFT")
    assert ended is None or ended.number < begun.number
    assert stayed is None or (lifted and lifted.number > stayed.number)
    suspended, affirmed = _last(moves, "SUSPEND"), _last(moves, "REAFFIRM")
    assert suspended is None or (affirmed and affirmed.number > suspended.number)
    assert row.rule_id == "B-01"


def _check_move(moves: list[ListingMoveRow], now: datetime) -> None:
    """What must hold for single moves, read from the moves alone."""
    last = moves[-1]
    if last.name == "REMOVE_EARLY":
        begun = _must(moves, "CONFIRM", "REINSTATE")
        assert civil_day(now) > civil_day(begun.legal_time) + 364
        assert last.document_no
        assert last.reason
    if last.name == "PUBLISH":
        assert _must(moves, "SERVE_DECISION").number > _must(moves, "CONFIRM", "REINSTATE").number
    if last.name == "REINSTATE":
        assert moves[-2].name == "PROPOSE_REINSTATEMENT" or _last(moves[:-1], "PROPOSE_REINSTATEMENT")
    agencies = {move.agency for move in moves if move.agency and move.name != "PROPOSE_CHANGE"}
    assert len(agencies) <= 1 or _last(moves, "TRANSFER")


@pytest.mark.timeout(120 * ROUNDS)
def test_no_life_breaks_the_law() -> None:
    Lives.counted, Lives.reached, Lives.database = 0, set(), Database("sqlite://")
    open_tables(Lives.database)
    run_state_machine_as_test(
        Lives, settings=settings(max_examples=LIVES, stateful_step_count=STEPS, deadline=None, database=None)
    )
    Lives.database.close()
    assert Lives.counted >= LIVES
    # The lives went far enough to try what they check.
    assert {"CONFIRM", "PUBLISH", "SUSPEND"} <= Lives.reached
    if ROUNDS > 1:
        # By chance one of the late ones may not come up in a few thousand lives.
        late = {"EXPIRE", "REMOVE_EARLY", "REINSTATE", "REVOKE", "REAFFIRM", "LIFT"}
        assert len(late - Lives.reached) <= 1
