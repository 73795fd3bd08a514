"""Editions as data: what is shipped, how one extends another, how a malformed one is refused."""

import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from credit_service.arrays import NEVER
from credit_service.errors import CreditError, Reason
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.edition import SHIPPED, edition_for, load_edition, load_editions
from credit_service.rulebook.evaluate import evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.view import View

Write = Callable[..., Path]
MALFORMED = tomllib.loads((Path(__file__).parent / "malformed.toml").read_text("utf-8"))


def test_shipped_editions_cover_china_since_notice_49_and_the_foreign_source() -> None:
    found = {e.id: (day_text(e.valid_from), e.valid_to and day_text(e.valid_to)) for e in load_editions()}
    assert found == {
        "cn-2017-49": ("2017-05-09", "2023-10-01"),
        "cn-2023-10": ("2023-10-01", "2026-04-01"),
        "cn-2026-04": ("2026-04-01", None),
        "tw-osh": ("2014-01-01", None),
    }


@pytest.mark.parametrize(
    ("scheme", "day", "expected"),
    [
        ("USCC", "2023-09-30", "cn-2017-49"),
        ("USCC", "2026-03-31", "cn-2023-10"),
        ("USCC", "2026-04-01", "cn-2026-04"),
        ("PERSON", "2030-01-01", "cn-2026-04"),
        ("TW-OSH", "2014-01-01", "tw-osh"),
    ],
)
def test_edition_of_the_valid_day_decides(scheme: str, day: str, expected: str) -> None:
    assert edition_for(load_editions(), scheme, parse_day(day)).id == expected


@pytest.mark.parametrize(("scheme", "day"), [("USCC", "2017-05-08"), ("MSHA", "2026-05-01")])
def test_day_without_an_edition_is_refused(scheme: str, day: str) -> None:
    with pytest.raises(CreditError, match=f"got {day}, want a day on which an edition for") as caught:
        edition_for(load_editions(), scheme, parse_day(day))
    assert caught.value.reason is Reason.NO_EDITION


def test_blacklist_rules_are_the_nine_of_order_11(cn: Edition) -> None:
    rules = [rule for rule in cn.rules if rule.list == "BLACK"]
    articles = ["6(1)", "6(2)", "6(3)", "6(4)", "6(5)", "7(1)", "7(2)", "7(3)", "7(4)"]
    assert [rule.bases[0].article for rule in rules] == articles
    assert {(str(rule.term), str(rule.early_exit)) for rule in rules} == {("P3Y", "P12M")}
    assert {rule.effect for rule in rules if rule.id != "B-09"} == {"CANDIDATE"}
    assert all({"HUMAN_DECISION", "NOTICE", "SERVICE"} <= set(rule.requires) for rule in rules)


def test_every_clause_has_both_languages_and_a_tagged_basis() -> None:
    for edition in load_editions():
        grading = edition.grading
        for clause in (*edition.rules, *grading.vetoes, *grading.a_conditions, *grading.pending):
            assert clause.text_zh.isprintable()
            assert not clause.text_zh.isascii()
            assert clause.text_en
            assert {basis.source for basis in clause.bases} <= {"law", "verify", "default"}


def test_foreign_edition_has_no_list_rules_and_only_defaults(tw: Edition) -> None:
    grading = tw.grading
    clauses = (*grading.vetoes, *grading.a_conditions, *grading.pending)
    assert tw.rules == ()
    assert {basis.source for clause in clauses for basis in clause.bases} == {"default"}


def test_digest_is_that_of_the_file_and_document_is_the_file(cn: Edition) -> None:
    content = (SHIPPED / "cn-2026-04.toml").read_bytes()
    assert cn.digest == sha256(content).hexdigest()
    assert cn.document == content.decode()


def test_extending_edition_differs_only_where_it_says_so(cn: Edition) -> None:
    older = load_edition(SHIPPED / "cn-2023-10.toml")
    assert older.rules == cn.rules
    assert older.grading == cn.grading
    assert older.usability != cn.usability
    base = (SHIPPED / "cn-2026-04.toml").read_bytes()
    own = (SHIPPED / "cn-2023-10.toml").read_bytes()
    assert older.digest == sha256(own + base).hexdigest()


def test_loading_twice_gives_equal_editions(write_edition: Write) -> None:
    path = write_edition()
    assert load_edition(path) == load_edition(path)


def test_extension_changes_one_rule_and_drops_another(write_edition: Write) -> None:
    write_edition()
    child = 'id = "child"\nextends = "test-edition"\n'
    child += 'valid_from = "2027-01-01"\nvalid_through = "2027-12-31"\n'
    child += '[[rules]]\nid = "B-01"\nterm = "P5Y"\n[[rules]]\nid = "X-01"\ndrop = true\n'
    edition = load_edition(write_edition(name="child", text=child))
    assert [(rule.id, str(rule.term), rule.scope) for rule in edition.rules] == [("B-01", "P5Y", "CHEMICAL")]


@pytest.mark.parametrize("base", ["missing", "child"])
def test_extension_of_nothing_or_of_itself_is_refused(write_edition: Write, base: str) -> None:
    path = write_edition(name="child", text=f'id = "child"\nextends = "{base}"\n')
    with pytest.raises(CreditError, match=r"child\.toml: extends: got .*, want the id of another edition"):
        load_edition(path)


def test_two_editions_for_one_scheme_and_day_are_refused(write_edition: Write) -> None:
    first = write_edition()
    write_edition(('id = "test-edition"', 'id = "other"'), name="other")
    with pytest.raises(CreditError, match=r"want no day shared with other for USCC \(both in force on 2026"):
        load_editions(first.parent)


@pytest.mark.parametrize("fault", MALFORMED["edition"], ids=lambda fault: fault["fault"])
def test_malformed_edition_is_refused_with_file_path_got_and_want(write_edition: Write, fault: dict[str, str]) -> None:
    with pytest.raises(CreditError, match=fault["message"]) as caught:
        load_edition(write_edition((fault["old"], fault["new"])))
    assert caught.value.reason is Reason.EDITION_INVALID
    assert caught.value.facts["file"] == "test-edition.toml"
    assert caught.value.message.startswith(f"test-edition.toml: {caught.value.facts['path']}: got ")


@pytest.mark.parametrize("fault", MALFORMED["match"], ids=lambda fault: fault["fault"])
def test_malformed_attribute_match_is_refused(write_edition: Write, fault: dict[str, str]) -> None:
    when = f'when = {{ fact = "{fault["kind"]}", where = {{ {fault["match"]} }} }}'
    with pytest.raises(CreditError, match=fault["message"]):
        load_edition(write_edition(('when = { listed = "BLACK" }', when)))


@pytest.mark.parametrize("content", [b"id = ", b"id = 'x'\xff"])
def test_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(CreditError, match=r"broken\.toml: got .*, want a readable TOML file in UTF-8"):
        load_edition(path)


def test_list_opens_only_on_a_basis_of_the_required_rank(write_edition: Write, a_fact: Callable[..., Any]) -> None:
    """A fire record of a place without a local regulation never opens, however the rule reads."""
    text = (SHIPPED / "cn-2026-04.toml").read_text("utf-8").replace('id = "cn-2026-04"', 'id = "place"')
    facts = [a_fact(1, "PEN", "2026-05-01", domain="FIRE", fire_matter="REFUSED_CORRECTION")]
    day, never = parse_day("2026-06-01"), [2**30]
    lower = ('rank = "LOCAL_REGULATION"', 'rank = "NORMATIVE"')
    edition = load_edition(write_edition(name="place", text=text))
    without = load_edition(write_edition(lower, name="place", text=text))
    assert [finding.rule_id for finding in evaluate(View(edition, facts, never, day))] == ["F-04"]
    assert evaluate(View(without, facts, never, day)) == []
    assert [rule.is_founded for rule in without.rules if rule.id in ("B-01", "F-04")] == [
        True,
        False,
    ]


def test_unknown_severity_without_a_term_is_never_past_its_publicity(
    write_edition: Write, a_fact: Callable[..., Any]
) -> None:
    edition = load_edition(write_edition())
    facts = [a_fact(1, "PEN", "2026-05-01", severity="SERIOUS"), a_fact(2, "PEN", "2026-05-01")]
    assert unusable_from(edition, facts) == [NEVER, parse_day("2027-05-02")]


def test_history_opens_no_listing() -> None:
    """Notice 49 is read for what records meant; nothing of it may become a case of today."""
    edition = next(e for e in load_editions() if e.id == "cn-2017-49")
    assert {rule.effect for rule in edition.rules if rule.bases[0].instrument.startswith("安监总办〔2017〕49号")} == {
        "RECORD"
    }
    assert not [rule.id for rule in edition.rules if rule.list == "BLACK" and rule.effect == "CANDIDATE"]
