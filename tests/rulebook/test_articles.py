"""By which articles points count: dated data beneath the editions, of which nothing is invented and nothing graded."""

from hashlib import sha256
from pathlib import Path

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.grades.features import BY_NAME
from credit_service.legal_days import parse_day
from credit_service.rulebook import edition as editions
from credit_service.rulebook.articles import articles_behind
from credit_service.rulebook.edition import POINTS_BASES, SHIPPED, load_editions, read_draft
from credit_service.rulebook.law import Edition, LegalBasis

DAY = parse_day("2026-11-28")
# Every article that may stand behind points, as the project's reading of the law has it: what is not read is `verify`.
READ = {
    "安全生产法": {"41", "51(2)", "78", "92", "102", "108", "109", "114"},
    "消防法": {"15", "70"},
    "国务院令第493号": {"3"},
    "应急管理部令第11号": {"7(1)", "7(2)"},
    "北京市安全生产条例": {"36", "49", "52", "53", "59"},
}
TO_VERIFY = {"应急管理部令第11号": {"7(3)"}, "北京市消防条例": {"88"}, "应急〔2021〕83号": {"-"}}
ADDED = (
    '[[grading.points_bases]]\nid = "honours_24m"\n'
    'bases = [{ instrument = "SAFETY_LAW", article = "41", source = "verify", role = "authority" }]\n'
)


def draft(text: str) -> Edition:
    return read_draft(f'id = "draft"\nextends = "cn-2026-04"\n{text}', load_editions())


def cited(edition: Edition, name: str, day: str) -> list[tuple[str, str]]:
    return [(basis.instrument, basis.article) for basis in articles_behind(edition, name, parse_day(day))]


def stated(edition: Edition) -> list[LegalBasis]:
    return [basis for one in edition.grading.points_bases.values() for basis in one.bases]


def test_every_feature_and_line_of_china_has_its_bases() -> None:
    for edition in load_editions():
        lines = {line.id for line in edition.grading.points.lines} if edition.grading.points else set()
        if edition.id != "tw-osh":
            assert set(edition.grading.points_bases) == {*BY_NAME, *lines, "MODEL", "LIMIT"}, edition.id


def test_no_article_stands_behind_points_that_was_not_read_or_is_not_tagged() -> None:
    for basis in (basis for edition in load_editions() for basis in stated(edition)):
        known = {"law": READ, "verify": TO_VERIFY, "default": {"本系统默认规则": {"-"}}}[basis.source]
        assert basis.article in known.get(basis.instrument, ()), (basis.instrument, basis.article, basis.source)
        assert (basis.role in {"duty", "authority"}) == (basis.source != "default")


def test_foreign_edition_says_plainly_that_no_article_of_law_stands_behind_its_points(tw: Edition) -> None:
    for name in ("penalties_60m", "harm_weighted", "R-ACC", "R-CLEAN", "LIMIT"):
        assert {basis.source for basis in articles_behind(tw, name, DAY)} == {"default"}, name


def test_conduct_names_duty_and_authority_and_honours_say_there_is_none(cn: Edition) -> None:
    told = [(b.instrument, b.article, b.role) for b in articles_behind(cn, "overdue_hazards", DAY)]
    assert told == [
        ("安全生产法", "41", "duty"),
        ("安全生产法", "102", "duty"),
        ("北京市安全生产条例", "49", "authority"),
        ("北京市安全生产条例", "52", "authority"),
    ]
    assert [(b.instrument, b.source) for b in articles_behind(cn, "honours_24m", DAY)] == [
        ("本系统默认规则", "default")
    ]


@pytest.mark.parametrize(
    ("day", "found"),
    [
        ("2021-08-31", [("评级规则 cn-2017-49", "-")]),
        ("2021-09-01", [("安全生产法", "114")]),
        ("2022-07-31", [("安全生产法", "114")]),
        ("2022-08-01", [("安全生产法", "114"), ("北京市安全生产条例", "52")]),
    ],
)
def test_article_counts_from_the_first_day_of_its_text(day: str, found: list[tuple[str, str]]) -> None:
    history = next(edition for edition in load_editions() if edition.id == "cn-2017-49")
    assert cited(history, "accidents_60m", day) == found


def test_what_no_edition_names_is_its_own_policy(cn: Edition) -> None:
    assert cited(cn, "of_nobody", "2026-11-28") == [("评级规则 cn-2026-04", "-")]


def test_city_states_its_own_and_keeps_the_others() -> None:
    own = draft(ADDED)
    assert cited(own, "honours_24m", "2026-11-28") == [("安全生产法", "41")]
    assert cited(own, "is_insured", "2026-11-28") == cited(draft(""), "is_insured", "2026-11-28")
    assert own.points_bases_document == ""


def test_edition_that_states_its_own_is_laid_over_what_comes_with_the_program(cn: Edition) -> None:
    own = read_draft(f"{cn.document}\n{ADDED}", load_editions())
    assert (own.id, cited(own, "honours_24m", "2026-11-28")) == ("cn-2026-04", [("安全生产法", "41")])
    assert cited(own, "is_insured", "2026-11-28") == cited(cn, "is_insured", "2026-11-28")


def test_edition_of_another_law_keeps_to_its_own_articles(cn: Edition) -> None:
    """An older file that bears the name of an edition may lack an instrument; it is read as it stands."""
    other = cn.document.replace("[instruments.BEIJING_SAFETY]", "[instruments.ANOTHER]")
    own = read_draft(other.replace('"BEIJING_SAFETY"', '"ANOTHER"'), load_editions())
    assert (own.points_bases_document, dict(own.grading.points_bases)) == ("", {})
    assert cited(own, "is_insured", "2026-11-28") == [("评级规则 cn-2026-04", "-")]


def test_bases_of_points_are_no_part_of_what_officers_adopted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A digest names what grades were judged by: it is of the edition files alone, whatever lies beneath them."""
    before = {edition.id: edition for edition in load_editions()}
    file = (SHIPPED / "cn-2026-04.toml").read_bytes()
    assert before["cn-2026-04"].digest == sha256(file).hexdigest()
    assert before["cn-2026-04"].points_bases_document == (POINTS_BASES / "cn-2026-04.toml").read_text("utf-8")
    monkeypatch.setattr(editions, "POINTS_BASES", tmp_path)
    for bare in load_editions():
        assert (bare.digest, dict(bare.grading.points_bases)) == (before[bare.id].digest, {})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[grading.bands]\nA = 1\nB = 0\nC = -1\n", "grading: got bands, want points_bases alone"),
        ('[[grading.vetoes]]\nid = "V-01"\ndrop = true\n', "grading: got vetoes"),
        ('[[rules]]\nid = "B-01"\ndrop = true\n', "rules, want instruments and grading alone"),
        ('[instruments.SAFETY_LAW]\nrank = "NORMATIVE"\n', "instruments.SAFETY_LAW: got rank, want valid_from alone"),
    ],
)
def test_file_beneath_an_edition_moves_no_grade(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, place: str
) -> None:
    """It is no part of the digest: whatever else it says would be law that nobody adopted."""
    monkeypatch.setattr(editions, "POINTS_BASES", tmp_path)
    (tmp_path / "cn-2023-10.toml").write_text(text, "utf-8")
    with pytest.raises(CreditError, match=place) as caught:
        load_editions()
    assert caught.value.reason is Reason.EDITION_INVALID
    assert caught.value.facts["file"] == "cn-2023-10.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ADDED.replace(', role = "authority"', ""), r"points_bases\[\d+\] \(honours_24m\).bases\[0\].role: got noth"),
        (ADDED.replace("authority", "autority"), r"role: got autority, want one of duty, authority \(did you mean"),
        (ADDED.replace("bases = [", "bases = []\nbase = ["), "bases: got nothing, want at least one legal basis"),
        ('[instruments.SAFETY_LAW]\nvalid_from = "2021"\n', "SAFETY_LAW.valid_from: got 2021, want a date"),
        ('[[repair]]\nid = "COMMITMENT"\nbases = [{ instrument = "ORDER_36", source = "law", role = "duty" }]\n',
         r"bases\[0\].role: got duty, want no such key"),
    ],
)  # fmt: skip
def test_malformed_basis_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(CreditError, match=message) as caught:
        draft(text)
    assert caught.value.reason is Reason.EDITION_INVALID
