"""Sources as data: what the registrations of the public records make of every trap in them."""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.ledger.drafts import Checker
from credit_service.ledger.layouts import articles
from credit_service.ledger.sources import Source, drafts, load_source, load_sources
from training import tw_osh

MINIMAL = """
id = "s"
scheme = "USCC"
registration = "live"
title_zh = "来源"
title_en = "Source"
[layout]
document = "doc"
entity = "code"
[layout.event]
kind = { value = "PEN" }
occur_time = { column = "day", form = "day_start" }
[layout.subject]
code = { column = "code" }
[layout.payload]
fine_fen = { column = "yuan", form = "yuan" }
severity = { column = "class", form = "choice", values = { "严重" = "SERIOUS" } }
performed_date = { column = "paid", form = "day" }
"""
ROW = {"doc": "D1", "code": "C1", "day": "2026-01-05", "yuan": "1,234.5", "class": "严重", "paid": ""}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return tw_osh.read()


@pytest.fixture(scope="module")
def events(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    return list(tw_osh.events(rows))


def a_source(folder: Path, text: str = MINIMAL) -> Source:
    path = folder / "s.toml"
    path.write_text(text, "utf-8")
    return load_source(path)


def test_every_row_becomes_one_event(rows: list[dict[str, str]], events: list[dict[str, Any]]) -> None:
    assert len(rows) == len(events) == 59_206
    assert Counter(e["source"] for e in events) == {"tw-mol-155978": 57_423, "tw-mol-126835": 1_783}


def test_repeated_document_numbers_yield_distinct_records(events: list[dict[str, Any]]) -> None:
    documents = Counter((e["source"], e["document_no"]) for e in events)
    repeated = {key for key, times in documents.items() if times > 1}
    assert len(repeated) == 1_097
    assert sum(documents[key] for key in repeated) == 2_208
    assert len({(e["source"], e["source_record_id"]) for e in events}) == 59_206 - 14


def test_exact_duplicates_yield_the_same_record_with_the_same_content(events: list[dict[str, Any]]) -> None:
    held: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in events:
        held.setdefault((event["source"], event["source_record_id"]), []).append(event)
    twice = [found for found in held.values() if len(found) > 1]
    assert len(twice) == 14
    assert all(first == second for first, second in twice)


def test_major_is_never_a_level_of_accident(rows: list[dict[str, str]], events: list[dict[str, Any]]) -> None:
    accidents = [e for e in events if e["kind"] == "ACC"]
    assert Counter(r["severity"] for r in rows)["major"] == len(accidents) == 1_783
    assert not any("level" in e["payload"] or "deaths" in e["payload"] for e in accidents)
    assert max(e["payload"]["victims"] for e in accidents) == 9


def test_notices_carry_no_amount_no_severity_and_no_industry(events: list[dict[str, Any]]) -> None:
    keys = {key for e in events if e["kind"] == "PEN" for key in e["payload"]}
    assert keys == {"articles", "is_accident_related", "organ_name", "organ_kind"}


def test_both_clocks_travel_and_accidents_have_only_one(events: list[dict[str, Any]]) -> None:
    sources = load_sources()
    assert all("source_publish_time" not in e for e in events if e["kind"] == "ACC")
    assert sources["tw-mol-126835"].declared_lag_days == 60
    assert sources["tw-mol-155978"].declared_lag_days == 0
    assert {sources[name].registration for name in tw_osh.SOURCES} == {"backfill"}


def test_six_notices_keep_a_publication_before_the_decision(events: list[dict[str, Any]]) -> None:
    early = [e for e in events if e.get("source_publish_time", e["occur_time"]) < e["occur_time"]]
    assert len(early) == 6


def test_persons_are_nameless_and_hashed(events: list[dict[str, Any]]) -> None:
    persons = [e["subject"] for e in events if e["subject"]["kind"] == "PERSON"]
    assert len(persons) == 2_151
    assert {p["name"] for p in persons} == {"自然人"}
    assert all(re.fullmatch(r"tw[0-9a-f]{12}", e["subject"]["code"]) for e in events)


def test_shipped_file_tells_no_story_and_names_no_sole_trader(rows: list[dict[str, str]]) -> None:
    assert tuple(rows[0]) == tw_osh.COLUMNS
    assert {"content", "tax_id", "owner_name", "county"}.isdisjoint(rows[0])
    assert all(tw_osh.masked_name(r["entity_name"], r["entity_kind"]) == r["entity_name"] for r in rows)
    assert {r["entity_name"][:2] for r in rows if r["entity_kind"] == "trade"} == {"○○"}
    assert not any(re.search("[O○]", r["legal_basis"]) for r in rows)
    assert len({r["cause"] for r in rows}) < 30


@pytest.mark.parametrize(
    ("name", "kind", "want"),
    [
        ("福駿工程行", "company", "○○工程行"),
        ("王大明", "company", "○○"),
        ("新生代消防工程有限公\n司", "company", "新生代消防工程有限公司"),
        ("臺北市政府環境保護局", "company", "臺北市政府環境保護局"),
        ("有馳股份有限公司善化廠所僱移工鄧OO發生災害", "company", "有馳股份有限公司善化廠"),
        ("自然人", "person", "自然人"),
    ],
)
def test_names_that_may_be_a_persons_are_masked(name: str, kind: str, want: str) -> None:
    assert tw_osh.masked_name(name, kind) == want


def test_every_event_passes_or_is_kept_aside_by_the_ledger(events: list[dict[str, Any]]) -> None:
    checker = Checker({name: source.scheme for name, source in load_sources().items()}, lambda *_: None, str)
    checked = [checker.check(event, datetime(2026, 11, 23, tzinfo=UTC)) for event in events]
    assert Counter((c.draft is not None, c.is_mendable) for c in checked) == {(True, False): 59_200, (False, True): 6}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("營造安全衛生設施標準第19條第1項暨職業安全衛生法第6條第1項第5款", ["營造安全衛生設施標準/19/1"]),
        ("職業安全衛生法第6條第1項", ["職業安全衛生法/6/1"]),
        ("營造安全衛生設施標準第11條之1", ["營造安全衛生設施標準/11-1"]),
        ("營造安全衛生設施標準第11-1條", ["營造安全衛生設施標準/11-1"]),
        ("職業安全衛生法第三十七條第二項之規定", ["職業安全衛生法/37/2"]),
        ("職業安全衛生法\n第23條第1項", ["職業安全衛生法/23/1"]),
        ("職業安全衛生設施規則第一百二十八條", ["職業安全衛生設施規則/128"]),
        ("某辦法第2條", ["某辦法第2條"]),
    ],
)
def test_citations_become_provisions(text: str, want: list[str]) -> None:
    layout = load_sources()["tw-mol-155978"].layout
    assert layout is not None
    assert articles(layout, text) == want


def test_accident_related_means_a_citation_of_article_37_paragraph_2(events: list[dict[str, Any]]) -> None:
    related = [e for e in events if e["payload"].get("is_accident_related")]
    assert len(related) == 2_867
    assert sum("職業安全衛生法/37/2" in e["payload"]["articles"] for e in related) > 2_700


def test_values_are_read_by_their_form(tmp_path: Path) -> None:
    event = next(drafts(a_source(tmp_path), [ROW]))
    assert event["payload"] == {"fine_fen": 123_450, "severity": "SERIOUS"}
    assert event["occur_time"] == "2026-01-05T00:00:00+08:00"
    assert event["source_record_id"] == "D1:C1:1"


def test_unreadable_values_are_passed_on_for_the_ledger_to_name(tmp_path: Path) -> None:
    row = {**ROW, "yuan": "12.345", "class": "重大", "paid": "soon"}
    payload = next(drafts(a_source(tmp_path), [row]))["payload"]
    assert payload == {"fine_fen": "12.345", "severity": "重大", "performed_date": "soon"}


def test_ordinal_counts_distinct_contents_of_document_and_entity(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "yuan": "2"}, ROW, {**ROW, "code": "C2"}]
    found = [e["source_record_id"] for e in drafts(a_source(tmp_path), rows)]
    assert found == ["D1:C1:1", "D1:C1:2", "D1:C1:1", "D1:C2:1"]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('registration = "live"', 'registration = "daily"', "registration"),
        ('id = "s"', "id = 7", "id"),
        ('title_zh = "来源"', 'title_zh = ""', "title_zh"),
        ('scheme = "USCC"', 'scheme = "USCC"\ndeclared_lag_days = -1', "declared_lag_days"),
        ('document = "doc"', "", "layout"),
        ('{ value = "PEN" }', '{ value = "PEN", column = "k" }', "layout.event.kind"),
        ('{ value = "PEN" }', '{ valeu = "PEN" }', "layout.event.kind"),
        ('form = "yuan"', 'form = "yen"', "layout.payload.fine_fen.form"),
        ("[layout]", "[layout", "file"),
    ],
)
def test_faulty_registration_is_refused_by_its_key(tmp_path: Path, old: str, new: str, path: str) -> None:
    with pytest.raises(CreditError) as caught:
        a_source(tmp_path, MINIMAL.replace(old, new))
    assert caught.value.reason is Reason.FILE_INVALID
    assert caught.value.facts["path"] == path


def test_two_files_of_one_source_are_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(MINIMAL, "utf-8")
    with pytest.raises(CreditError, match="an id that no other file uses"):
        load_sources(tmp_path)


def test_source_without_a_layout_has_no_rows(tmp_path: Path) -> None:
    source = a_source(tmp_path, MINIMAL.split("[layout]", maxsplit=1)[0])
    with pytest.raises(CreditError, match="a source with a layout"):
        next(drafts(source, [ROW]))


@pytest.mark.parametrize(
    ("form", "written", "read"),
    [
        ("yuan", "1,234.5", 123_450), ("wan_yuan", "3.5", 3_500_000), ("wan_yuan", "0.000001", 1),
        ("wan_yuan", "三万", "三万"), ("day", "2026/3/1", "2026-03-01"), ("day", "2026年3月1日", "2026-03-01"),
        ("day", "2026-02-30", "2026-02-30"), ("roc_day", "115/03/01", "2026-03-01"),
        ("roc_day_start", "民国115年3月1日", "2026-03-01T00:00:00+08:00"),
    ],
)  # fmt: skip
def test_amounts_and_dates_are_read_in_every_written_form(tmp_path: Path, form: str, written: str, read: Any) -> None:
    """What cannot be read stays as it was written, for the checks to name it."""
    source = a_source(tmp_path, MINIMAL.replace('column = "yuan", form = "yuan"', f'column = "yuan", form = "{form}"'))
    (event,) = drafts(source, [{**ROW, "yuan": written}])
    assert event["payload"]["fine_fen"] == read
