"""Metrics: what they count is what happened, in a form that a collector reads, and nobody is named."""

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from credit_service.api import metrics
from credit_service.api.meter import BUCKETS, Meter
from credit_service.cli.doctor import examine
from credit_service.cli.throwaway import prepare
from credit_service.exposition import family
from credit_service.grades.drift import noise_floor, stability_index
from credit_service.legal_days import civil_day, parse_day
from credit_service.server import build_house
from credit_service.settings import Settings
from credit_service.v1 import grades_pb2, listings_pb2, sync_pb2
from tests.api.life import NOTICE, a_candidate, move
from tests.api.street import NOW, SOURCE, Clock, Street, a_code, a_record, ref, registered, serving, stop_work
from tests.api.test_overrides import a_firm, ask, in_force, under_review
from tests.grades.conftest import champion

SAMPLE = re.compile(r"(safety_credit_[a-z_]+)(?:\{([a-z]+=\"[^\"]*\"(?:,[a-z]+=\"[^\"]*\")*)\})? (-?[0-9.e+]+)")
Read = Callable[[], dict[str, float]]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    """A server that writes its metrics all the time."""
    monkeypatch.setattr(metrics, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(metrics, "GRADES_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "RESTS", 0.0)
    url, file = f"sqlite:///{tmp_path / 'credit.db'}", str(tmp_path / "credit.prom")
    with serving(tmp_path, Clock(), database_url=url, metrics_file=file) as street:
        yield street


@pytest.fixture
def read(house: Street) -> Read:
    """Reads what is written after the call, by name and labels."""

    def parsed() -> dict[str, float]:
        path = Path(house.settings.metrics_file)
        path.unlink(missing_ok=True)
        limit = time.monotonic() + 20
        for _ in range(2):  # the first file may have been begun before
            while not path.is_file() and time.monotonic() < limit:
                time.sleep(0.01)
            text = path.read_text("utf-8")
            path.unlink()
        found = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                sample = SAMPLE.fullmatch(line)
                assert sample, line
                found[f"{sample[1]}{{{sample[2]}}}" if sample[2] else sample[1]] = float(sample[3])
        return found

    return parsed


def calls(method: str, code: str) -> str:
    return f'safety_credit_calls_total{{method="{method}",code="{code}"}}'


def test_calls_are_counted_by_method_and_code_refused_ones_too(house: Street, read: Read) -> None:
    code = a_code()
    house.must_collect(registered(code))
    for _ in range(3):
        house.ask("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    house.refusal("regulator", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(a_code())))
    house.refusal("enterprise", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    found = read()
    assert found[calls("GradeService/GetGrade", "OK")] == 3
    assert found[calls("GradeService/GetGrade", "NOT_FOUND")] == 1
    assert found[calls("GradeService/GetGrade", "PERMISSION_DENIED")] == 1
    assert found[calls("LedgerService/SubmitEvents", "OK")] == 1
    assert found['safety_credit_call_seconds_count{method="GradeService/GetGrade"}'] == 5
    assert found['safety_credit_call_seconds_bucket{method="GradeService/GetGrade",le="+Inf"}'] == 5
    assert 0 < found['safety_credit_call_seconds_sum{method="GradeService/GetGrade"}'] < 60


def test_conversation_is_counted_and_has_no_latency(house: Street, read: Read) -> None:
    house.must_collect(registered(a_code()))
    opening = sync_pb2.SubscribeRequest(start=sync_pb2.SubscribeStart(heartbeat_seconds=60))
    assert house.ask("regulator", "SyncService/Subscribe", iter([opening]))
    limit, found = time.monotonic() + 20, dict[str, float]()
    while not any("SyncService/Subscribe" in name for name in found) and time.monotonic() < limit:
        found = read()
    names = [name for name in found if "SyncService/Subscribe" in name]
    assert names
    assert all(name.startswith("safety_credit_calls_total") for name in names)


def test_grades_ledger_deadlines_sources_and_models_are_told(house: Street, read: Read) -> None:
    young, (_, listing) = a_code(), a_candidate(house)
    a_candidate(house)
    house.must_collect(registered(young, founded_date="2026-09-01"))
    found = read()
    assert found['safety_credit_grades{grade="PENDING"}'] == 1
    assert (found["safety_credit_reviews_open"], found["safety_credit_overrides_in_force"]) == (0, 0)
    assert found['safety_credit_grades{grade="D"}'] == 2
    assert found["safety_credit_events"] == 7
    assert found["safety_credit_events_not_judged"] == 0
    assert found["safety_credit_deadlines_overdue"] == 0
    assert found[f'safety_credit_source_silent{{source="{SOURCE}"}}'] == 0
    assert found['safety_credit_source_silent{source="sim-city-fire"}'] == 1
    (model,) = (one for one in house.running.house.models if one.manifest["model"] == "cn_sim_pd")
    label = f'{{model="{model.scorecard.model_id}"}}'
    published, expires = (parse_day(model.manifest[name]) for name in ("published_on", "expires_on"))
    assert found[f"safety_credit_model_age_days{label}"] == civil_day(NOW) - published
    assert found[f"safety_credit_model_days_left{label}"] == expires - civil_day(NOW)
    assert found["safety_credit_written_timestamp_seconds"] == NOW.timestamp()
    move(house, "NotifyListing", listing)
    move(house, "RecordService", listing, document=NOTICE)
    house.clock.now = NOW + timedelta(days=200)
    due = house.ask("regulator", "ListingService/ListDeadlines", listings_pb2.ListDeadlinesRequest()).deadlines
    found = read()
    # The enterprise's right to be heard has ended too, and is no duty of anybody.
    assert found["safety_credit_deadlines_overdue"] == sum(one.is_overdue for one in due) > 0
    assert found[f"safety_credit_model_age_days{label}"] == civil_day(NOW) - published + 200
    assert found[f'safety_credit_source_silent{{source="{SOURCE}"}}'] == 1


def test_grades_of_the_first_import_do_not_wait(house: Street, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "GRADES_SECONDS", 3600.0)
    house.must_collect(registered(a_code(), founded_date="2026-09-01"))
    assert read()['safety_credit_grades{grade="PENDING"}'] == 1
    house.must_collect(registered(a_code(), founded_date="2026-09-01"))
    # Counting reads every grade: what follows waits its turn.
    found = read()
    assert found['safety_credit_grades{grade="PENDING"}'] == 1
    assert not any("model_missing" in name for name in found)


def test_model_that_an_edition_misses_is_told(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree("models", models)
    (models / "cn_sim_pd" / champion("cn_sim_pd") / "table.json").unlink()
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'credit.db'}", log_level="error", models_dir=str(models),
        person_key_file=str(tmp_path / "person.key"),
    )  # fmt: skip
    house = build_house(prepare(settings, tmp_path, NOW), lambda: NOW)
    with closing(house.database), closing(house.audit):
        lines = metrics.state_lines(house, NOW)
    assert 'safety_credit_model_missing{model="cn_sim_pd"} 1' in lines
    assert not any('model_missing{model="tw' in line for line in lines)


def test_reviews_overrides_and_drift_of_scores_are_told(house: Street, read: Read) -> None:
    codes = [under_review(house), a_firm(house), a_firm(house)]
    in_force(house, codes[1])
    found, model = read(), f'{{model="cn_sim_pd/{champion("cn_sim_pd")}"}}'
    assert (found["safety_credit_reviews_open"], found["safety_credit_overrides_in_force"]) == (1, 1)
    requests = [grades_pb2.GetGradeRequest(subject=ref(code)) for code in codes]
    scores = [house.ask("regulator", "GradeService/GetGrade", one).grade.score for one in requests]
    edges, kept = next(m.score_bins for m in house.running.house.models if m.scorecard.model_id.startswith("cn_sim"))
    counts = [sum(low <= score < high for score in scores) for low, high in pairwise(edges)]
    assert sum(counts) == 3
    assert found[f"safety_credit_score_drift{model}"] == pytest.approx(stability_index(kept, counts), rel=1e-12)
    assert found[f"safety_credit_score_drift_floor{model}"] == pytest.approx(noise_floor(kept, counts), rel=1e-12)
    assert 'safety_credit_score_drift{model="tw_osh_pd/2026.11.0"}' not in found, "it sets no score here"
    house.clock.now = NOW + timedelta(days=600)
    found = read()
    assert (found["safety_credit_overrides_in_force"], f"safety_credit_score_drift{model}" in found) == (0, False)


def test_moves_since_a_quarter_and_what_became_of_overrides_are_told(house: Street, read: Read) -> None:
    fell, still = a_firm(house), a_firm(house)
    assert not any("grade_moves{" in name or "stay_ratio{" in name for name in read()), "nobody stood a quarter ago"
    house.clock.now = NOW + timedelta(days=100)
    in_force(house, still, grade=grades_pb2.GRADE_B, until_date="2027-06-30", last_date="2027-06-30")
    declined = ask(house, "OverrideGrade", subject=ref(still), until_date="2027-06-30", last_date="2027-06-30")
    ask(house, "DecideOverride", "regulator-2", override_id=declined.override.override_id)
    house.must_collect(stop_work(fell))
    found = read()
    assert found['safety_credit_grade_moves{window="quarter",from="B",to="B"}'] == 1
    assert found['safety_credit_grade_moves{window="quarter",from="B",to="C"}'] == 1
    assert found['safety_credit_grade_stay_ratio{window="quarter",grade="B"}'] == 0.5
    assert not any('window="year"' in name for name in found)
    assert found['safety_credit_overrides{state="in_force",reason="EVIDENCE"}'] == 1
    assert found['safety_credit_overrides{state="declined",reason="EVIDENCE"}'] == 1
    house.clock.now = NOW + timedelta(days=400)
    found = read()
    assert found['safety_credit_overrides{state="expired",reason="EVIDENCE"}'] == 1
    assert found['safety_credit_grade_moves{window="year",from="B",to="C"}'] == 1


def test_what_takes_long_to_count_is_counted_less_often(house: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESTS", 100.0)
    times = [0.0]

    def slowly(_: object) -> list[str]:
        times.append(time.monotonic())
        time.sleep(0.05)
        return [str(len(times))]

    async def twice() -> list[list[str]]:
        slow = metrics.Slow(slowly)
        with ThreadPoolExecutor(1) as aside:
            return [await slow.counted(aside, house.running.house) for _ in range(20)]

    # Without the rest it would be counted every time: the fixture counts at every turn.
    assert asyncio.run(twice()) == [["2"]] * 20


def test_events_that_are_not_judged_yet_are_the_lag(house: Street, read: Read) -> None:
    code = a_code()
    house.must_collect(registered(code), a_record(code))
    with house.running.house.database.transaction() as session:
        # Nothing in the service sets it back.
        session.execute(text("UPDATE ledger_head SET judged_position = 1"))
    assert read()["safety_credit_events_not_judged"] == 1


def test_nobody_is_named(house: Street, read: Read) -> None:
    code = a_code()
    house.must_collect(registered(code))
    house.ask("insurer", "GradeService/GetGrade", grades_pb2.GetGradeRequest(subject=ref(code)))
    said = " ".join(read())
    assert "GradeService/GetGrade" in said
    for word in (code, "insurer", "example-insurance", "officer", "模拟"):
        assert word not in said


def test_file_that_cannot_be_written_never_ends_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "WRITE_SECONDS", 0.02)
    file = tmp_path / "nowhere" / "credit.prom"
    with serving(tmp_path, Clock(), database_url=f"sqlite:///{tmp_path / 'c.db'}", metrics_file=str(file)) as street:
        time.sleep(0.3)
        assert street.running.metrics is not None
        assert not street.running.metrics.done()
        street.ask("operator", "SyncService/GetFeedInfo", sync_pb2.GetFeedInfoRequest())
        file.parent.mkdir()
        limit = time.monotonic() + 20
        while not (file.is_file() and "GetFeedInfo" in file.read_text("utf-8")) and time.monotonic() < limit:
            time.sleep(0.02)
        assert "GetFeedInfo" in file.read_text("utf-8")


def test_buckets_hold_each_call_once_and_rise() -> None:
    meter = Meter()
    for seconds in (0.0, 0.005, 0.0051, 3.0, 10.0, 11.0):
        meter.note("S/M", "OK", seconds)
    meter.note("S/M", "CANCELLED", None)
    lines = [line for line in meter.lines() if "_bucket" in line]
    counts = [int(line.rpartition(" ")[2]) for line in lines]
    assert len(lines) == len(BUCKETS) + 1
    assert counts == [2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 6]
    assert 'safety_credit_calls_total{method="S/M",code="CANCELLED"} 1' in meter.lines()
    assert Meter().lines()[0].startswith("# HELP safety_credit_calls_total")


def test_quotes_and_line_ends_cannot_break_a_line() -> None:
    (_, _, line) = family("x", "gauge", "Text.", [("", {"source": 'a"b\\c\nd'}, 1)])
    assert line == 'safety_credit_x{source="a\\"b\\\\c\\nd"} 1'


def test_doctor_says_when_the_metrics_are_old(house: Street, read: Read) -> None:
    read()
    limit = time.monotonic() + 20
    while not Path(house.settings.metrics_file).is_file() and time.monotonic() < limit:
        time.sleep(0.01)
    now = datetime.now(UTC)

    def state(settings_file: str, moment: datetime) -> list[str]:
        settings = replace(house.settings, metrics_file=settings_file)
        return [one.state for one in examine(settings, moment) if one.what == "metrics"]

    file = house.settings.metrics_file
    assert state(file, now) == ["ok"]
    assert state(file, now + timedelta(minutes=5)) == ["warn"]
    assert state(f"{file}.gone", now) == ["warn"]
    assert state("", now) == []
