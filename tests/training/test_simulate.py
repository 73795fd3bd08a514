"""The simulated city: the same bytes for the same seed, lawful records, honest clocks."""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pytest
from stdnum.cn import uscc

from credit_service.ledger.drafts import Checker
from credit_service.ledger.payloads import NEEDS_REFERENCE, PAYLOADS, check_payload
from credit_service.ledger.sources import load_sources
from credit_service.rulebook.accidents import accident_level
from credit_service.rulebook.edition import SHIPPED, load_edition
from training.simulate import (
    DEFAULT_SEED,
    DEFAULT_UNTIL,
    add_parser,
    city,
    in_publish_order,
    main,
    sources,
)
from training.simulated_city.city import subject_events
from training.simulated_city.codes import organisation_check
from training.simulated_city.files import event_line
from training.simulated_city.firm import begin
from training.simulated_city.world import world

Event = dict[str, Any]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """The default city of 300 subjects."""
    return list(city(300, DEFAULT_SEED, DEFAULT_UNTIL))


@pytest.fixture(scope="module")
def firms(events: list[Event]) -> dict[str, Event]:
    """One event of each enterprise, by code."""
    return {e["subject"]["code"]: e for e in events if e["subject"]["scheme"] == "USCC"}


def _lines(events: Any) -> list[bytes]:
    return [event_line(event) for event in events]


def _key(event: Event) -> tuple[str, str]:
    return event["source"], event["source_record_id"]


def test_same_seed_gives_the_same_bytes(events: list[Event]) -> None:
    assert _lines(city(300, DEFAULT_SEED, DEFAULT_UNTIL)) == _lines(events)


def test_standard_output_gets_the_same_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--subjects", "10", "--out", "-"]) == 0
    assert capfdbinary.readouterr().out == b"".join(_lines(city(10, DEFAULT_SEED, DEFAULT_UNTIL)))


def test_bytes_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    command = [sys.executable, "-m", "training.simulate", "--subjects", "40", "--out", "-"]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/Lima"}
    run = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert run.stdout == b"".join(_lines(city(40, DEFAULT_SEED, DEFAULT_UNTIL)))


def test_smaller_city_is_a_prefix_of_a_larger_one(events: list[Event]) -> None:
    smaller = _lines(city(120, DEFAULT_SEED, DEFAULT_UNTIL))
    assert smaller == _lines(events)[: len(smaller)]


def test_another_seed_gives_another_city(firms: dict[str, Event]) -> None:
    others = {e["subject"]["code"] for e in city(300, DEFAULT_SEED + 1, DEFAULT_UNTIL)}
    assert not others & set(firms)


def test_large_city_streams_from_its_first_subject() -> None:
    first = list(islice(city(2_500_000, DEFAULT_SEED, DEFAULT_UNTIL), 5))
    assert first == list(islice(city(1, DEFAULT_SEED, DEFAULT_UNTIL), 5))


def test_every_code_carries_both_check_characters(firms: dict[str, Event]) -> None:
    assert len(firms) == 300
    for code in firms:
        assert uscc.is_valid(code)
        assert organisation_check(code[8:16]) == code[16]


def test_organisation_check_agrees_with_public_codes() -> None:
    public = ("71093123X", "10169286X", "100010433", "551385082", "MA0000007")
    assert all(organisation_check(code[:8]) == code[8] for code in public)


def test_every_code_is_of_beijing_and_of_the_simulated_range(firms: dict[str, Event]) -> None:
    districts = {place.code for place in world().districts.things} | {"110302"}
    assert {code[2:8] for code in firms} <= districts
    assert {code[8:10] for code in firms} == {"MN"}


def test_codes_stay_unique_in_a_large_city() -> None:
    until = DEFAULT_UNTIL.toordinal()
    spread = range(0, 2_500_000, 1_250)
    bodies = {begin(DEFAULT_SEED, index, until).firm.code[8:16] for index in spread}
    assert len(bodies) == len(spread)


def test_every_name_and_document_says_it_is_simulated(events: list[Event]) -> None:
    assert all("模拟" in event["subject"]["name"] for event in events)
    assert all("模拟" in event["document_no"] for event in events if "document_no" in event)
    named = [e["payload"]["organ_name"] for e in events if "organ_name" in e["payload"]]
    assert named
    assert all("模拟" in name for name in named)


def test_both_sources_are_registered_as_simulated_backfill() -> None:
    registered = load_sources()
    for source in sources():
        assert registered[source].registration == "backfill"
        assert registered[source].scheme == "USCC"
        assert "模拟" in registered[source].title_zh
        assert "simulated" in registered[source].title_en


def test_every_kind_happens_in_both_domains(events: list[Event]) -> None:
    seen = {(event["kind"], event["domain"]) for event in events}
    assert seen == {(kind, domain) for kind in PAYLOADS for domain in ("WORK", "FIRE")}


def test_each_source_speaks_for_its_own_domain(events: list[Event]) -> None:
    spoken = {(event["source"], event["domain"]) for event in events}
    assert spoken == {("sim-city-em", "WORK"), ("sim-city-fire", "FIRE")}


def test_facts_precede_their_publication_and_both_the_last_day(events: list[Event]) -> None:
    end = f"{DEFAULT_UNTIL.isoformat()}T23:59:59+08:00"
    assert all(e["occur_time"] <= e["source_publish_time"] <= end for e in events)


def test_no_payload_knows_the_future(events: list[Event]) -> None:
    past = {"closed_date", "lifted_date", "performed_date", "decision_date", "revoked_date"}
    for event in events:
        known = event["source_publish_time"][:10]
        for name in past & set(event["payload"]):
            assert event["payload"][name] <= known, event


def test_history_spans_four_and_a_half_years(events: list[Event]) -> None:
    published = [event["source_publish_time"][:10] for event in events]
    assert min(published) >= "2022-04-30"
    assert max(published) >= "2026-10-01"
    standing = {"LIC", "STD", "POL"}
    assert all(e["occur_time"][:10] >= "2022-04-30" for e in events if e["kind"] not in standing)


@pytest.mark.parametrize("until", [date(2024, 2, 29), date(2026, 10, 31)])
def test_an_earlier_last_day_hides_what_comes_later(until: date) -> None:
    for event in city(60, DEFAULT_SEED, until):
        assert event["source_publish_time"][:10] <= until.isoformat()
        assert event["occur_time"] <= event["source_publish_time"]


def test_every_reference_names_an_earlier_record_of_the_same_city(events: list[Event]) -> None:
    seen: set[str] = set()
    referring = 0
    for event in in_publish_order(300, DEFAULT_SEED, DEFAULT_UNTIL):
        reference = event.get("refers_to")
        if reference:
            referring += 1
            assert (reference if "/" in reference else f"{event['source']}/{reference}") in seen
        seen.add("/".join(_key(event)))
    assert referring > 100
    kinds = {e["kind"] for e in events if "refers_to" in e}
    assert kinds >= {"PEN", "LICV", "FRAUD", "NONEXEC", "OBSTR", "REP", "ORD", "CRIM", "CLM"}


def test_versions_count_up_and_keep_what_the_record_is(events: list[Event]) -> None:
    records: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        records.setdefault(_key(event), []).append(event)
    for versions in records.values():
        assert [e["source_version"] for e in versions] == list(range(1, len(versions) + 1))
        assert len({(e["kind"], e["domain"], e["occur_time"]) for e in versions}) == 1
        times = [e["source_publish_time"] for e in versions]
        assert times == sorted(times)


def test_ledger_accepts_every_record(events: list[Event]) -> None:
    accidents = load_edition(SHIPPED / "cn-2026-04.toml").accidents
    checker = Checker(
        dict.fromkeys(sources(), "USCC"),
        lambda deaths, injuries, loss: accident_level(accidents, deaths, injuries, loss),
        lambda code: code,
    )
    now = datetime(2026, 11, 1, tzinfo=UTC)
    problems = [p for event in events for p in checker.check(event, now).problems]
    assert not problems


def test_payloads_hold_only_known_fields_well_formed() -> None:
    for event in city(1_500, 7, DEFAULT_UNTIL):
        if event["op"] == "RETRACT":
            assert event["payload"] == {}
            continue
        assert check_payload(event["kind"], event["payload"]) == []
        assert event["kind"] not in NEEDS_REFERENCE or event["refers_to"]


def test_some_records_are_restated_and_some_withdrawn() -> None:
    sample = list(city(3_000, DEFAULT_SEED, DEFAULT_UNTIL))
    assert any(event["op"] == "RETRACT" for event in sample)
    deaths: dict[tuple[str, str], list[int]] = {}
    for event in sample:
        if event["kind"] == "ACC" and event["op"] == "ASSERT":
            deaths.setdefault(_key(event), []).append(event["payload"]["deaths"])
    assert any(counts[0] < counts[-1] for counts in deaths.values())


def test_most_subjects_have_few_events_and_a_few_have_many() -> None:
    counts = []
    for index in range(300, 1_800):
        own = subject_events(index, DEFAULT_SEED, DEFAULT_UNTIL)
        counts.append(sum(event["kind"] != "REG" for event in own))
    assert sum(count <= 5 for count in counts) > len(counts) / 2
    assert max(counts) > 25


def test_careless_subjects_suffer_more() -> None:
    harm: Counter[bool] = Counter()
    number: Counter[bool] = Counter()
    for index in range(300, 4_300):
        culture = begin(DEFAULT_SEED, index, DEFAULT_UNTIL.toordinal()).culture
        if abs(culture) > 0.8:
            own = subject_events(index, DEFAULT_SEED, DEFAULT_UNTIL)
            harm[culture > 0] += sum(e["kind"] in ("PEN", "ACC") for e in own)
            number[culture > 0] += 1
    assert harm[True] / number[True] > 4 * harm[False] / number[False]


def test_how_often_inspectors_come_depends_on_the_district() -> None:
    visits: Counter[str] = Counter()
    firms: Counter[str] = Counter()
    for index in range(300, 4_300):
        own = subject_events(index, DEFAULT_SEED, DEFAULT_UNTIL)
        region = own[0]["subject"]["code"][2:8]
        firms[region] += 1
        visits[region] += sum(e["kind"] == "INS" for e in own)
    often, seldom = ("110113", "110115"), ("110105", "110114")
    high, low = (sum(visits[d] for d in g) / sum(firms[d] for d in g) for g in (often, seldom))
    assert high > 1.4 * low


def test_persons_are_few_synthetic_and_without_numbers(events: list[Event]) -> None:
    persons = [e["subject"] for e in events if e["subject"]["scheme"] == "PERSON"]
    assert 1 <= len({p["code"] for p in persons}) <= 5
    for person in persons:
        assert len(person["code"]) == 64
        assert person["code"].startswith("00000000")
        assert int(person["code"], 16) > 0
        assert person["name"].startswith("模拟人员")


def test_publish_order_keeps_every_event(events: list[Event]) -> None:
    ordered = list(in_publish_order(300, DEFAULT_SEED, DEFAULT_UNTIL))
    times = [event["source_publish_time"] for event in ordered]
    assert times == sorted(times)
    assert sorted(_lines(ordered)) == sorted(_lines(events))


def test_subjects_come_one_after_the_other(events: list[Event]) -> None:
    indexes = [int(e["source_record_id"].split("-")[1]) for e in events]
    assert [index for index, _ in groupby(indexes)] == list(range(300))


def test_folder_holds_one_file_a_source_and_an_honest_manifest(tmp_path: Path, events: list[Event]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["simulated"] is True
    assert manifest["events"] == len(events)
    for source in sources():
        name = f"{source}.simulated.jsonl"
        written = (tmp_path / name).read_bytes()
        assert written == b"".join(_lines(e for e in events if e["source"] == source))
        assert manifest["files"][name]["bytes"] == len(written)
    assert not list(tmp_path.glob("*.part"))


def test_command_joins_a_larger_command_line(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["simulate", "--subjects", "5", "--out", str(tmp_path)])
    assert arguments.run(arguments) == 0
    assert (tmp_path / "cases.json").exists()


def test_tables_are_not_written_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", "-", "--layout", "shuanggongshi"]) == 2
    assert "want a folder" in capsys.readouterr().err


@pytest.mark.parametrize("subjects", ["0", "-3", "99999999999"])
def test_impossible_size_is_refused(subjects: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--subjects", subjects])
    assert "want 1 to" in capsys.readouterr().err


def test_penalty_for_an_accident_told_after_the_end_is_repaired_by_nobody() -> None:
    """The last day of what nobody knows is no day at all."""
    until = date(2026, 10, 31)
    events = subject_events(289_406, 2026, until)
    assert events
    assert max(event["source_publish_time"][:10] for event in events) <= until.isoformat()
