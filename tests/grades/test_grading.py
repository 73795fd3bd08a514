"""What sets a grade: the mode of the edition, the model's last day, the cycles of the year, and what officers set."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError
from credit_service.grades import scoring
from credit_service.grades.artefact import Artefact
from credit_service.grades.features import BY_NAME
from credit_service.grades.grading import Case, Graded, Override, Review, explain, grade_many
from credit_service.grades.scorecard import Line, Scorecard
from credit_service.grades.targets import TARGETS
from credit_service.ledger.fact import Fact, place_of
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.articles import articles_behind
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import Edition
from tests.bench.lives import lives
from tests.grades.conftest import AS_OF, LIVES, a_fact

CN = load_edition(SHIPPED / "cn-2026-04.toml")
SUBJECT = "USCC:91110108MA00000070"
WORSE = {"A": 0, "B": 1, "PENDING": 1, "C": 2, "D": 3}
Life = Sequence[Fact]


@pytest.fixture(scope="module")
def card(champions: dict[str, Artefact]) -> Scorecard:
    return champions["cn_sim_pd"].scorecard


def mode(name: str) -> Edition:
    return replace(CN, grading=replace(CN.grading, mode=name))


def case(life: Life, **known: Any) -> Case:
    return Case(SUBJECT, "ENTERPRISE", sorted(life, key=place_of), **known)


def grade(life: Life, card: Scorecard | None, edition: Edition = CN, day: int = AS_OF, **known: Any) -> Graded:
    return grade_many(edition, card, [case(life, **known)], day)[0]


def founded(number: int = 900) -> Fact:
    return a_fact("REG", "2015-01-01", number, founded_date="2010-01-01", headcount=80, sectors=["CHEMICAL"])


def penalties(day: str, n: int, start: int = 1) -> list[Fact]:
    articles = (["甲/1"], ["甲/2"], ["乙/1"])
    return [
        a_fact("PEN", day, start + i, articles=articles[i % 3], severity="GENERAL", fine_fen=20_000_000)
        for i in range(n)
    ]


@pytest.mark.parametrize("name", ["model", "bounded", "rules"])
def test_points_of_every_mode_sum_to_the_score(card: Scorecard, name: str) -> None:
    life = [founded(), *penalties("2026-05-01", 4), a_fact("STD", "2026-01-05", 50, level=2, from_date="2026-01-05")]
    told = explain(mode(name), card, case(life), AS_OF)
    assert told.graded.score == told.base_points + sum(part.points for part in told.contributions)
    assert (told.graded.mode, told.graded.is_retired) == (name, False)
    assert (told.graded.model_id is None, told.graded.probability is None) == (name == "rules", name == "rules")


def test_exposure_moves_the_probability_alone_and_is_told(card: Scorecard) -> None:
    line = Line(BY_NAME["headcount"], (100.0,), (20, -120), -7)
    exposed, bare = replace(card, exposure=(line,)), replace(card, exposure=())
    for people, points in ((80, 20), (5_000, -120), (None, -7)):
        first = a_fact("REG", "2015-01-01", 900, founded_date="2010-01-01", **({"headcount": people} if people else {}))
        life = [first, *penalties("2026-05-01", 2)]
        told, plain = (explain(CN, one, case(life), AS_OF) for one in (exposed, bare))
        (part,) = told.exposure
        assert (part.feature, part.value, part.points) == ("headcount", people, points)
        assert part.event_ids == ((900,) if people else ())
        assert replace(told.graded, probability=None) == replace(plain.graded, probability=None)
        assert (told.contributions, plain.exposure) == (plain.contributions, ())
        at = np.array([told.graded.score]), np.array([points])
        assert told.graded.probability == exposed.probability(*at)[0]
        assert explain(mode("rules"), exposed, case(life), AS_OF).exposure == ()
        assert explain(mode("bounded"), exposed, case(life), AS_OF).exposure == told.exposure


@pytest.mark.parametrize("name", ["model", "bounded", "rules"])
def test_score_of_a_cycle_day_is_the_score_that_the_day_itself_shows(card: Scorecard, name: str) -> None:
    day, moved = parse_day("2026-06-01"), set()
    for facts in lives(40):
        told = explain(mode(name), card, case([fact for fact in facts if fact.day <= day]), day)
        if told.graded.score is not None:
            assert told.cycles[-1] == (day, told.graded.score)
            moved.add(told.graded.score)
    assert len(moved) > 5


def test_bounded_score_is_the_models_within_reach_of_the_rules(card: Scorecard) -> None:
    for life in ([founded()], [founded(), *penalties("2026-05-01", 3)], [founded(), *penalties("2026-05-01", 12)]):
        rules, model, both = (grade(life, card, mode(name)).score for name in ("rules", "model", "bounded"))
        assert rules is not None
        assert model is not None
        assert both == max(rules - 50, min(rules + 50, model))


def test_rules_need_no_model_and_a_model_cannot_be_done_without(card: Scorecard) -> None:
    life = [founded(), *penalties("2026-05-01", 1)]
    assert grade(life, None, mode("rules")) == grade(life, card, mode("rules"))
    with pytest.raises(CreditError, match="model: got none, want cn_sim_pd"):
        grade(life, None)


def test_model_retires_to_the_rules_on_the_day_after_its_last(card: Scorecard) -> None:
    life = [founded(), *penalties("2026-05-01", 3)]
    ending = replace(card, expires_day=AS_OF)
    last, after = grade(life, ending), grade(life, ending, day=AS_OF + 1)
    assert (last.mode, last.next_review_day) == ("model", AS_OF + 1)
    assert (after.mode, after.is_retired, after.model_id) == ("rules", True, None)
    assert after.score == grade(life, None, mode("rules"), AS_OF + 1).score
    assert grade(life, replace(card, expires_day=None), day=AS_OF + 1).mode == "model"
    bare = replace(CN, grading=replace(CN.grading, points=None))
    with pytest.raises(CreditError, match="has expired"):
        grade(life, ending, bare, AS_OF + 1)


def test_merit_lifts_a_grade_after_two_cycles_and_says_when(card: Scorecard) -> None:
    life = [founded(), a_fact("HON", "2026-02-10", 7, level="CITY")]
    certified = [*life, a_fact("STD", "2026-02-10", 8, level=1, from_date="2026-02-10", to_date="2029-02-09")]
    low, high = (grade(facts, card, day=parse_day("2026-02-10")).score or 0 for facts in (life, certified))
    assert high - low > 40
    bands = {"A": 1000, "B": (low + high) // 2, "C": 600}
    edition = replace(CN, grading=replace(CN.grading, bands=bands, a_conditions=()))
    seen = []
    day, end = parse_day("2026-02-10"), parse_day("2026-08-01")
    while day <= end:
        found = grade(certified, card, edition, day)
        seen.append((day_text(day), found.grade, found.held.earned if found.held else None))
        assert found.next_review_day is not None
        day = found.next_review_day
    assert grade(life, card, edition, parse_day("2026-02-10")).grade == "C"
    assert seen[0] == ("2026-02-10", "C", "B")
    assert [(d, g) for d, g, _ in seen if d in {"2026-03-01", "2026-04-01"}] == [
        ("2026-03-01", "C"),
        ("2026-04-01", "B"),
    ]
    assert seen[-1][1:] == ("B", None)


def test_score_of_an_a_shows_b_until_every_condition_for_a_is_met(card: Scorecard) -> None:
    high = replace(card, base_points=card.base_points + 300)
    standard = a_fact("STD", "2026-01-05", 50, level=1, from_date="2026-01-05")
    without, with_it = grade([founded()], high), grade([founded(), standard], high)
    assert (without.grade, [one.id for one in without.unmet]) == ("B", ["A-04"])
    assert (with_it.grade, with_it.unmet) == ("A", ())


def test_grade_is_looked_at_again_when_a_listing_ends(card: Scorecard) -> None:
    listed = grade([founded()], card, blacklisted_until=AS_OF + 3)
    assert (listed.grade, listed.next_review_day) == ("D", AS_OF + 3)


def test_a_cap_beats_pending(card: Scorecard) -> None:
    """An order to stop work is no hard record: the newcomer stays pending, and what it shows is capped all the same."""
    newcomer = a_fact("REG", "2026-06-01", 1, founded_date="2026-06-01")
    stopped = a_fact("ORD", "2026-06-02", 2, order_kind="STOP_WORK", from_date="2026-06-02")
    found = grade([newcomer, stopped], card)
    assert (found.grade, found.score, found.pending is not None) == ("C", None, True)
    assert found.class_prior is None
    assert grade([newcomer], card).grade == "PENDING"


def test_repair_works_at_once_whatever_the_cycles(card: Scorecard) -> None:
    many = penalties("2026-03-10", 9)
    repairs = [
        Fact(100 + f.event_id, "credit-service", f"REP-{f.event_id}", 1, "REP", "WORK", AS_OF, AS_OF, "",
             f"test/R-{f.event_id}", {"decision_date": day_text(AS_OF)})
        for f in many
    ]  # fmt: skip
    life = [founded(), *many]
    before, after = grade(life, card), grade([*life, *repairs], card)
    clean = grade([founded(), *repairs], card)
    assert before.score is not None
    assert after.score is not None
    assert before.score < after.score == clean.score
    assert (after.grade, after.held) == (clean.grade, clean.held)


def test_officers_letter_stands_below_vetoes_and_above_the_score(card: Scorecard) -> None:
    override = Override("OVR-1", "A", "EVIDENCE", AS_OF + 10)
    raised = grade([founded(), *penalties("2026-05-01", 9)], card, override=override)
    assert (raised.grade, raised.override) == ("A", override)
    assert raised.next_review_day is not None
    assert raised.next_review_day <= AS_OF + 11
    stopped = a_fact("ORD", "2026-06-01", 70, order_kind="STOP_WORK", from_date="2026-06-01")
    assert grade([founded(), stopped], card, override=override).grade == "C"
    newcomer = a_fact("REG", "2026-06-01", 1, founded_date="2026-06-01")
    assert grade([newcomer], card).grade == "PENDING"
    assert grade([newcomer], card, override=replace(override, grade="C")).grade == "C"


def test_reviewed_score_is_under_no_review_until_its_day(card: Scorecard) -> None:
    low = replace(card, base_points=card.base_points - 500)
    life = [founded()]
    review = Review(AS_OF, AS_OF + 30)
    opened, kept = grade(life, low), grade(life, low, review=review)
    again = grade([*life, a_fact("INS", AS_OF, 3, known_day=AS_OF + 1, result="VIOLATION")], low, review=review)
    same_day = a_fact("INS", AS_OF, 3, known_day=AS_OF, result="VIOLATION")
    seen, unseen = (grade([*life, same_day], low, review=replace(review, position=n)) for n in (3, 2))
    assert (seen.is_review_open, unseen.is_review_open) == (False, True)
    overridden = grade(life, low, override=Override("OVR-1", "C", "REVIEWED", AS_OF + 30))
    assert (again.is_review_open, overridden.is_review_open) == (True, False)
    assert (opened.grade, opened.is_review_open) == ("C", True)
    assert (kept.grade, kept.is_review_open) == ("C", False)
    assert kept.next_review_day is not None
    assert kept.next_review_day <= AS_OF + 30


def _adverse(day: int) -> st.SearchStrategy[Fact]:
    given_day = st.integers(AS_OF - 700, day)
    harm: dict[str, Any] = {"accident_kind": "WORK", "level": "GENERAL", "liability": "LIABLE"}
    return st.one_of(
        st.builds(lambda d, s: a_fact("PEN", d, 500, articles=["甲/1"], severity=s), given_day,
                  st.sampled_from(["MINOR", "GENERAL", "SERIOUS"])),
        st.builds(lambda d: a_fact("ACC", d, 500, **harm), given_day),
        st.builds(lambda d: a_fact("OBSTR", d, 500), given_day),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["model", "bounded", "rules"])
@given(life=LIVES, adverse=_adverse(AS_OF))
def test_adverse_fact_never_makes_a_grade_better_in_any_mode(
    card: Scorecard, name: str, life: list[Fact], adverse: Fact
) -> None:
    edition = mode(name)
    before, after = grade([founded(), *life], card, edition), grade([founded(), *life, adverse], card, edition)
    assert WORSE[after.grade or ""] >= WORSE[before.grade or ""]
    if before.score is not None and after.score is not None:
        assert after.score <= before.score


# What makes a fact of a kind as grave as it can be, at equal exposure.
GRAVEST: dict[str, dict[str, Any]] = {
    "INS": {"result": "MAJOR_VIOLATION"},
    "COM": {"status": "BROKEN"},
    "PEN": {"severity": "SERIOUS", "fine_fen": 10**9, "is_accident_related": True},
    "ACC": {"liability": "LIABLE", "victims": 40, "deaths": 40, "level": "EXTRA"},
    "ORD": {"order_kind": "CLOSE"},
    "HAZ": {"hazard_level": "MAJOR", "is_supervised": True},
    "LIC": {"is_mandatory": True, "status": "REVOKED"},
}


@pytest.mark.parametrize("name", ["model", "bounded", "rules"])
@given(life=LIVES, choice=st.integers(0, 11))
def test_graver_fact_never_makes_a_grade_better_in_any_mode(
    card: Scorecard, name: str, life: list[Fact], choice: int
) -> None:
    turnable = [fact for fact in life if fact.kind in GRAVEST and not (fact.kind == "HAZ" and _is_own(fact))]
    if not turnable:
        return
    mild = turnable[choice % len(turnable)]
    grave = mild._replace(payload={**mild.payload, **GRAVEST[mild.kind]})
    turned = [grave if fact.event_id == mild.event_id else fact for fact in life]
    before, after = (grade([founded(), *one], card, mode(name)) for one in (life, turned))
    assert WORSE[after.grade or ""] >= WORSE[before.grade or ""], mild
    if before.score is not None and after.score is not None:
        assert after.score <= before.score, mild


def _is_own(fact: Fact) -> bool:
    """Says whether a hazard was reported by its subject: that is a merit, however grave it is."""
    return bool(fact.payload["found_by"] == "SELF")


@given(lives=st.lists(LIVES, min_size=2, max_size=5))
def test_batch_grades_like_each_alone(card: Scorecard, lives: list[list[Fact]]) -> None:
    cases = [case([founded(), *life]) for life in lives]
    assert grade_many(CN, card, cases, AS_OF) == [grade_many(CN, card, [one], AS_OF)[0] for one in cases]


@pytest.mark.parametrize("name", ["model", "bounded", "rules"])
def test_many_are_graded_like_each_alone_in_every_mode(card: Scorecard, name: str) -> None:
    cases = [Case(f"USCC:{n}", "ENTERPRISE", facts) for n, facts in enumerate(lives(40))]
    alone = [grade_many(mode(name), card, [one], AS_OF)[0] for one in cases]
    assert grade_many(mode(name), card, cases, AS_OF) == alone
    assert len({one.score for one in alone}) > 10


def test_few_walk_the_cycles_like_many(card: Scorecard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of looking at the days of the year give every grade; many of these are held by a cycle."""
    cases = [Case(f"USCC:{n}", "ENTERPRISE", facts) for n, facts in enumerate(lives(160))]
    found = []
    for few in (0, len(cases) + 1):
        monkeypatch.setattr(scoring, "FEW_WALKERS", few)
        found.append(
            [grade_many(CN, card, cases, parse_day(day)) for day in ("2026-02-01", "2026-06-15", "2026-12-31")]
        )
    assert found[0] == found[1]
    assert sum(one.held is not None for graded in found[0] for one in graded) > 10


@given(life=LIVES, days=st.integers(1, 60))
def test_grade_stays_until_its_next_review(card: Scorecard, life: list[Fact], days: int) -> None:
    known = [f for f in [founded(), *life] if f.day <= AS_OF]
    found = grade(known, card)
    if found.next_review_day is None or AS_OF + days < found.next_review_day:
        later = grade(known, card, day=AS_OF + days)
        assert (later.grade, later.score, later.vetoes) == (found.grade, found.score, found.vetoes)


@pytest.mark.parametrize("name", ["model", "bounded", "rules"])
def test_explained_points_name_their_articles_and_records_what_they_cite(card: Scorecard, name: str) -> None:
    life = [founded(), *penalties("2026-05-01", 2), a_fact("STD", "2026-01-05", 50, level=2, from_date="2026-01-05")]
    # Behind nothing any more.
    life += penalties("2016-05-01", 1, 70)
    told = explain(mode(name), card, case(life), AS_OF)
    for part in (*told.contributions, *told.exposure):
        assert part.bases == articles_behind(mode(name), part.feature, AS_OF), part.feature
        assert part.bases, part.feature
    assert told.cited == ((1, ("甲/1",)), (2, ("甲/2",)))


def test_kept_grade_holds_no_articles(card: Scorecard) -> None:
    """Recorded grades stay what they are, byte by byte: articles are stated where a grade is explained."""
    told = explain(CN, card, case([founded(), *penalties("2026-05-01", 2)]), AS_OF)
    assert told.graded == grade([founded(), *penalties("2026-05-01", 2)], card)
    assert set(told.graded.document()["reasons"][0]) == {
        "feature", "value", "unit", "points", "is_actionable", "text_zh", "text_en", "event_ids",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["cn_sim_pd", "tw_osh_pd"])
def test_probability_is_of_what_the_signed_card_says(champions: dict[str, Artefact], name: str) -> None:
    artefact = champions[name]
    zh, en = TARGETS[artefact.manifest["task"]]
    card = (artefact.directory / "card.md").read_text("utf-8")
    assert f"- {artefact.manifest['task']}: {en}.\n" in card
    assert f"Estimates, for the 12 months after a day: {en}." in card
    assert zh
