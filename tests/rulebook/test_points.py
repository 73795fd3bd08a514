"""The rule score: every line by its own figures, fading, repeats, limits, and the day on which time moves it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from credit_service.errors import CreditError
from credit_service.ledger.fact import Fact, place_of
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import Edition
from credit_service.rulebook.points import line_points, next_points_day, rule_score
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.view import View

DAY = "2026-06-30"
AFact = Callable[..., Fact]


def view(edition: Edition, facts: Sequence[Fact], day: str) -> View:
    ordered = sorted(facts, key=place_of)
    return View(edition, ordered, unusable_from(edition, ordered), parse_day(day))


def lines(edition: Edition, facts: Sequence[Fact], day: str = DAY) -> dict[str, int]:
    """Returns the points of every line that gives or takes any."""
    points = edition.grading.points
    assert points is not None
    return {one.line.id: one.points for one in line_points(points, view(edition, facts, day)) if one.points}


def score(edition: Edition, facts: Sequence[Fact], day: str = DAY) -> int:
    points = edition.grading.points
    assert points is not None
    return rule_score(points, line_points(points, view(edition, facts, day)))


def penalty(a_fact: AFact, number: int, day: str, **rest: Any) -> Fact:
    return a_fact(number, "PEN", day, **{"articles": ["安全生产法/102"], "severity": "GENERAL", **rest})


def test_nothing_known_is_the_base(cn: Edition) -> None:
    assert lines(cn, []) == {}
    assert score(cn, []) == 850


@pytest.mark.parametrize(
    ("payload", "points"),
    [
        ({"severity": "MINOR"}, -5),
        ({"severity": "GENERAL"}, -30),
        ({"severity": "GENERAL", "fine_fen": 9_999_999}, -30),
        ({"severity": "GENERAL", "fine_fen": 10_000_000}, -50),
        ({"severity": "SERIOUS", "fine_fen": 10_000_000}, -150),
    ],
)
def test_penalty_costs_what_its_severity_and_fine_say(
    cn: Edition, a_fact: AFact, payload: dict[str, Any], points: int
) -> None:
    assert lines(cn, [penalty(a_fact, 1, "2026-06-01", **payload)]) == {"R-PEN": points}


def test_penalty_stops_counting_with_repair_and_with_publicity(cn: Edition, a_fact: AFact) -> None:
    made = penalty(a_fact, 1, "2026-01-10", name="p")
    repair = a_fact(2, "REP", "2026-06-15", refers_to="p", decision_date="2026-06-15")
    assert lines(cn, [made, repair], "2026-06-14") == {"R-PEN": -30}
    assert lines(cn, [made, repair], "2026-06-15") == {}
    assert lines(cn, [made], "2027-01-10") == {"R-PEN": -30}
    assert lines(cn, [made], "2027-01-11") == {}


def test_same_article_again_within_a_year_costs_half_as_much_again(cn: Edition, a_fact: AFact) -> None:
    first = penalty(a_fact, 1, "2026-01-10")
    again, other = penalty(a_fact, 2, "2026-06-10"), penalty(a_fact, 3, "2026-06-11", articles=["安全生产法/99"])
    assert lines(cn, [first, again]) == {"R-PEN": -75}
    assert lines(cn, [first, again, other]) == {"R-PEN": -105}
    assert lines(cn, [penalty(a_fact, 1, "2025-06-10", severity="SERIOUS"), again]) == {"R-PEN": -180}


def test_accident_fades_in_a_straight_line(cn: Edition, a_fact: AFact) -> None:
    fatal = a_fact(1, "ACC", "2024-07-01", level="GENERAL", liability="LIABLE", deaths=1)
    assert lines(cn, [fatal], "2024-07-01") == {"R-ACC": -120}
    assert lines(cn, [fatal], "2026-01-01") == {"R-ACC": -60}
    assert lines(cn, [fatal], "2027-06-30") == {}
    hurt = a_fact(1, "ACC", "2024-07-01", level="GENERAL", liability="LIABLE")
    assert lines(cn, [hurt], "2024-07-01") == {"R-ACC": -50}
    assert lines(cn, [hurt], "2025-07-01") == {"R-ACC": -25}


def test_next_day_is_the_first_on_which_the_fading_line_moves(cn: Edition, a_fact: AFact) -> None:
    points = cn.grading.points
    assert points is not None
    facts = [
        a_fact(1, "ACC", "2024-07-01", level="LARGER", liability="LIABLE"),
        a_fact(2, "ACC", "2025-02-11", level="GENERAL", liability="LIABLE", deaths=2),
    ]
    day, seen = parse_day("2025-03-01"), lines(cn, facts, "2025-03-01")
    for _ in range(200):
        following = next_points_day(points, view(cn, facts, day_text(day)))
        assert following is not None
        for between in range(day, following):
            assert lines(cn, facts, day_text(between)) == seen, day_text(between)
        day, seen = following, lines(cn, facts, day_text(following))
    assert day > parse_day("2025-07-01")


def test_overdue_hazard_counts_half_a_year_after_it_was_closed(cn: Edition, a_fact: AFact) -> None:
    told = {"hazard_level": "MAJOR", "found_by": "AUTHORITY", "due_date": "2026-01-10"}
    late = a_fact(1, "HAZ", "2025-12-01", **told, closed_date="2026-02-01")
    assert lines(cn, [late], "2026-01-10") == {}
    assert lines(cn, [late], "2026-01-11") == {"R-HAZ": -60}
    assert lines(cn, [late], "2026-07-31") == {"R-HAZ": -60}
    assert lines(cn, [late], "2026-08-01") == {}
    in_time = a_fact(1, "HAZ", "2025-12-01", **told, closed_date="2026-01-10")
    assert lines(cn, [in_time], "2026-03-01") == {}
    supervised = a_fact(1, "HAZ", "2025-12-01", **told, is_supervised=True)
    assert lines(cn, [supervised], "2026-03-01") == {"R-HAZ": -120}


def test_merits_count_up_to_their_limit(cn: Edition, a_fact: AFact) -> None:
    told = {"hazard_level": "GENERAL", "found_by": "SELF", "due_date": "2026-05-01", "closed_date": "2026-04-01"}
    reported = [a_fact(n, "HAZ", "2026-03-01", **told) for n in range(1, 7)]
    assert lines(cn, reported[:2]) == {"R-SELF": 10}
    assert lines(cn, reported) == {"R-SELF": 20}
    certificates = [
        a_fact(n, "STD", "2026-01-01", level=n, from_date="2026-01-01", to_date="2028-12-31") for n in (1, 2)
    ]
    assert lines(cn, certificates[:1]) == {"R-STD": 60}
    assert lines(cn, certificates) == {"R-STD": 60}
    clean = [a_fact(n, "INS", "2026-05-01", result="CLEAN", mode="RANDOM") for n in range(1, 6)]
    assert lines(cn, clean) == {"R-INS": 15}


def test_three_clean_years_need_operation_that_no_penalty_shows(cn: Edition, a_fact: AFact) -> None:
    founded = a_fact(1, "REG", "2020-01-01", founded_date="2018-01-01")
    assert lines(cn, [founded]) == {"R-CLEAN": 40}
    assert "R-CLEAN" not in lines(cn, [founded, penalty(a_fact, 2, "2025-07-01")])
    assert "R-CLEAN" in lines(cn, [founded, penalty(a_fact, 2, "2025-06-29")])
    assert "R-CLEAN" in lines(cn, [founded, penalty(a_fact, 2, "2026-06-01", severity="MINOR")])
    assert lines(cn, [penalty(a_fact, 2, "2022-07-01", severity="MINOR")]) == {}


def test_sector_that_must_be_insured_pays_for_it(cn: Edition, a_fact: AFact) -> None:
    mine = a_fact(1, "REG", "2026-01-01", sectors=["MINING"])
    policy = a_fact(2, "POL", "2026-02-01", from_date="2026-02-01", to_date="2026-06-29")
    assert lines(cn, [mine]) == {"R-UNINSURED": -60}
    assert lines(cn, [mine, policy], "2026-06-29") == {}
    assert lines(cn, [mine, policy], "2026-06-30") == {"R-UNINSURED": -60}
    assert lines(cn, [a_fact(1, "REG", "2026-01-01", sectors=["COMMERCE"])]) == {}


def test_score_stays_within_its_limits(cn: Edition, a_fact: AFact) -> None:
    many = [penalty(a_fact, n, "2026-06-01", severity="SERIOUS", articles=[f"法/{n}"]) for n in range(1, 9)]
    assert score(cn, many) == 0


def test_foreign_source_has_its_own_lines(tw: Edition, a_fact: AFact) -> None:
    assert lines(tw, [], "2022-06-30") == {"R-CLEAN": 40}
    assert lines(tw, [a_fact(1, "PEN", "2022-06-01", articles=["甲/1"])], "2022-06-30") == {"R-PEN": -30}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("points = -30", "points = 30", "all of one sign"),
        ("percent = 150", "percent = 50", "from 100 to 1000"),
        ('same = "articles"', 'same = "severity"', "one of articles"),
        ("base = 850", "base = 1001", "from 0 to 1000"),
        ("cycle_months = 1", "cycle_months = 5", "one of 1, 2, 3, 4, 6, 12"),
        ('mode = "model"', 'mode = "modl"', "did you mean model?"),
    ],
)
def test_malformed_points_are_refused_with_their_place(
    write_edition: Callable[..., Any], old: str, new: str, fault: str
) -> None:
    text = (SHIPPED / "tw-osh.toml").read_text("utf-8")
    last = 'when = { fact = "PEN", since = "P36M" }\n'
    text = text.replace(last, f"{last}[[grading.points.lines.cases]]\npoints = -1\nwhen = {{ always = true }}\n")
    path = write_edition((old, new), name="tw-osh", text=text)
    with pytest.raises(CreditError, match=fault):
        load_edition(path)
