"""Order does not matter: the same facts in any order and any commits end alike, and no past answer ever changes."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from credit_service.api.status import reason_of
from credit_service.changes import ChangeRow
from credit_service.v1 import grades_pb2, listings_pb2, subjects_pb2
from tests.api.street import SOURCE, Clock, Street, a_code, frame, ref, serving, status
from tests.conftest import fresh_database
from tests.stories.faults import ROUNDS

BOUNDED = settings(
    max_examples=12 * ROUNDS, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
pytestmark = pytest.mark.timeout(60 + 60 * ROUNDS)
SECOND = timedelta(seconds=1)
# Few days, so that facts often share one.
DAYS = st.sampled_from(["2024-03-01", "2026-02-10", "2026-06-01"])
_RUNS = count(1)


def _fixed(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in fields.items()}
    )


KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "REG": _fixed(
        industry_code=st.sampled_from(["C2611", "B0610"]), headcount=st.sampled_from([15, 120]),
        supervising_region=st.sampled_from(["110108", "110101"]), status="ACTIVE",
        founded_date=st.sampled_from(["2010-05-04", "2025-12-01"]),
        sectors=st.sampled_from([["CHEMICAL"], ["FIREWORKS"]]),
    ),
    "ACC": _fixed(accident_kind="WORK", deaths=st.sampled_from([1, 4, 12]), liability="LIABLE"),
    "PEN": _fixed(
        articles=st.sampled_from([["安全生产法/102"], ["安全生产法/99"]]), organ_kind="EMERGENCY_MANAGEMENT",
        severity=st.sampled_from(["GENERAL", "SERIOUS"]),
    ),
    "ORD": st.one_of(
        _fixed(order_kind="STOP_WORK", from_date="2026-06-01"),
        _fixed(order_kind="STOP_WORK", from_date="2026-06-01", lifted_date="2026-07-01"),
    ),
    "INS": _fixed(result=st.sampled_from(["CLEAN", "VIOLATION"]), mode="RANDOM", visit_hours=2.5),
}  # fmt: skip


@dataclass(frozen=True)
class Version:
    """One version of one record, before it has a code and an id of its own run."""

    history: int
    number: int
    kind: str
    place: int
    day: str
    op: str
    payload: dict[str, Any]
    refers_to: int | None


# A script, and the same versions in commits of another order.
Drawn = tuple[list[Version], list[list[Version]]]


@st.composite
def scripts(draw: st.DrawFn) -> list[Version]:
    """Draws the versions of some records of two enterprises: corrections, moves to the other, retractions."""
    kinds = ["REG", *draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))]
    # Two registrations of one day, often: nothing but their names tells which of them counts.
    kinds += draw(st.sampled_from([[], ["REG"], ["REG", "REG"]]))
    registered = draw(DAYS)
    accidents = [n for n, kind in enumerate(kinds) if kind == "ACC"]
    made = []
    for history, kind in enumerate(kinds):
        for number in range(1, draw(st.integers(1, 3)) + 1):
            op = "ASSERT" if number == 1 else draw(st.sampled_from(["ASSERT", "ASSERT", "RETRACT"]))
            place = draw(st.sampled_from([0, 0, 0, 1]))
            refers_to = draw(st.sampled_from(accidents)) if kind == "PEN" and accidents else None
            day = registered if kind == "REG" and draw(st.booleans()) else draw(DAYS)
            made.append(Version(history, number, kind, place, day, op, draw(KINDS[kind]), refers_to))
    return made


@st.composite
def shuffled(draw: st.DrawFn) -> Drawn:
    """Draws a script and the same versions in another order, in commits of any size."""
    script = draw(scripts())
    order = draw(st.permutations(script))
    ends = sorted(draw(st.sets(st.integers(1, len(order)), max_size=4)) | {len(order)})
    return script, [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@dataclass
class Life:
    """Two enterprises of their own on a shared server, and the names that make them comparable with others."""

    street: Street = field(repr=False)
    run: int = field(default_factory=lambda: next(_RUNS))
    codes: tuple[str, str] = field(default_factory=lambda: (a_code(), a_code()))
    names: dict[str, str] = field(default_factory=dict)

    def commit(self, versions: Sequence[Version]) -> None:
        """Submits versions in one batch, a second after the last."""
        self.street.clock.now += SECOND
        results = self.street.collect(*map(self._record, versions))
        assert {status(result) for result in results} <= {"ACCEPTED", "SUPERSEDED_LATE"}, results
        for version, result in zip(versions, results, strict=True):
            self.names[result.event_id] = f"{version.history}.{version.number}"

    def _record(self, version: Version) -> dict[str, Any]:
        refers = {} if version.refers_to is None else {"refers_to": f"{self.run}-{version.refers_to}"}
        return {
            "source": SOURCE, "source_record_id": f"{self.run}-{version.history}", "source_version": version.number,
            "subject": {"code": self.codes[version.place], "name": "模拟化工有限公司"}, "kind": version.kind,
            "domain": "WORK", "occur_time": f"{version.day}T00:00:00+08:00", "op": version.op,
            "payload": {} if version.op == "RETRACT" else version.payload, **refers,
        }  # fmt: skip

    def answers(self, time: subjects_pb2.TimeFrame) -> list[Any]:
        """Asks grade and explanation of both enterprises; a refusal is an answer too."""
        asked = []
        for code in self.codes:
            for name in ("GetGrade", "ExplainGrade"):
                request = getattr(grades_pb2, f"{name}Request")(subject=ref(code), time_frame=time)
                try:
                    asked.append(self.street.ask("regulator", f"GradeService/{name}", request))
                    if name == "ExplainGrade":
                        # Says what happened since the time frame: it is told for the time of the answer.
                        asked[-1].ClearField("lapsed_event_ids")
                except grpc.RpcError as error:
                    asked.append(reason_of(error)[0])
        return asked

    def state(self) -> Any:
        """Returns what stands now, in words that every order shares: no positions, clocks, revisions or ids."""
        asked = [a if isinstance(a, str) else MessageToDict(a) for a in self.answers(frame())]
        state = listings_pb2.LISTING_STATE_CANDIDATE
        requests = [listings_pb2.SearchListingsRequest(subject=ref(code), state=state) for code in self.codes]
        found = [self.street.ask("regulator", "ListingService/SearchListings", request) for request in requests]
        shared = {
            "answers": asked,
            "subjects": self._subjects(),
            "candidates": [self._by_rule(MessageToDict(f).get("listings", [])) for f in found],
        }
        return self._comparable({**shared, "feed": self._feed()})

    def _subjects(self) -> list[Any]:
        """Returns what the registrations that count say of both enterprises."""
        found: list[Any] = []
        for code in self.codes:
            request = subjects_pb2.GetSubjectRequest(subject=ref(code))
            try:
                found.append(MessageToDict(self.street.ask("regulator", "SubjectService/GetSubject", request).subject))
            except grpc.RpcError as error:
                found.append(reason_of(error)[0])
        return found

    def _by_rule(self, listings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(listings, key=lambda listing: str(listing["ruleId"]))

    def changes(self) -> list[ChangeRow]:
        """Returns the entries of both enterprises that stand in the feed."""
        subjects = [f"USCC:{code}" for code in self.codes]
        statement = select(ChangeRow).where(col(ChangeRow.subject_id).in_(subjects)).order_by(col(ChangeRow.revision))
        with self.street.running.house.database.reading() as session:
            last = {row.entry_key: row for row in session.execute(statement).scalars()}
        return [row for row in last.values() if row.type == "UPSERT"]

    def _feed(self) -> list[dict[str, Any]]:
        standing = [json.loads(row.document) for row in self.changes()]
        return sorted(standing, key=lambda entry: (entry["subject_id"], entry.get("rule_id", "")))

    def _comparable(self, value: Any) -> Any:
        if isinstance(value, dict):
            told = {k: self._named(v) if k in EVENTS else self._comparable(v) for k, v in value.items() if k not in OWN}
            # In order of the events, which is that of arrival.
            return told | ({"cited": self._cited(value["cited"])} if "cited" in value else {})
        if isinstance(value, list):
            return [self._comparable(one) for one in value]
        if isinstance(value, str):
            return value.replace(self.codes[0], "FIRST").replace(self.codes[1], "SECOND")
        return value

    def _cited(self, cited: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
        return sorted((self.names[one["eventId"]], one["articles"]) for one in cited)

    def _named(self, event_ids: list[Any]) -> list[str]:
        return sorted(self.names[str(event_id)] for event_id in event_ids)


# Fields that hold events, and fields that belong to one run: clocks, ids made from the past, bytes told elsewhere.
EVENTS = {"eventIds", "event_ids", "scopeEventIds"}
OWN = {"asOfTime", "firstCollectTime", "knownTime", "openTime", "open_time", "listingId", "listing_id", "document"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def begin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Life]]:
    """Begins lives on a server whose clock goes on by a second a commit; a legal day holds far more than these."""
    folder = tmp_path_factory.mktemp("order")
    with (
        fresh_database(request, request.param, folder) as url,
        serving(folder, Clock(), database_url=url) as street,
    ):
        yield lambda: Life(street)


@BOUNDED
@given(drawn=shuffled())
def test_any_order_of_the_same_facts_ends_alike(begin: Callable[[], Life], drawn: Drawn) -> None:
    script, commits = drawn
    straight, other = begin(), begin()
    straight.commit(script)
    for versions in commits:
        other.commit(versions)
    assert other.state() == straight.state()


@BOUNDED
@given(drawn=shuffled())
def test_past_answer_is_given_again_for_its_known_time(begin: Callable[[], Life], drawn: Drawn) -> None:
    life, then = begin(), []
    clock = life.street.clock
    for versions in drawn[1]:
        life.commit(versions)
        then.append((clock.now, life.answers(frame())))
    clock.now += SECOND
    for time, answers in then:
        assert life.answers(frame(time, time)) == answers


def test_feed_says_the_same_review_date_as_the_grade(begin: Callable[[], Life]) -> None:
    life = begin()
    registration = {"industry_code": "C2611", "status": "ACTIVE", "founded_date": "2010-05-04"}
    life.commit([Version(0, 1, "REG", 0, "2024-03-01", "ASSERT", registration, None)])
    life.commit([Version(0, 2, "REG", 0, "2024-03-01", "RETRACT", {}, None)])
    life.commit([Version(1, 1, "INS", 0, "2026-02-10", "ASSERT", {"result": "CLEAN", "mode": "RANDOM"}, None)])
    asked = life.answers(frame())[0].grade.next_review_date
    standing = [json.loads(row.document) for row in life.changes()]
    assert [entry.get("next_review_date", "") for entry in standing] == [asked]
