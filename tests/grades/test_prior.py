"""What is expected of classes: rates drawn towards that of all, intervals that hold them, refused when forged."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import beta

from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import Artefact
from credit_service.grades.grading import Case, Graded, Override, grade_many
from credit_service.grades.prior import (
    ClassPrior,
    below,
    class_codes,
    counted,
    industries_of,
    priors_document,
    read_priors,
)
from credit_service.grades.scorecard import Scorecard
from credit_service.ledger.crowd import Crowd
from credit_service.ledger.fact import Fact
from credit_service.legal_days import day_text
from credit_service.rulebook.edition import SHIPPED, load_edition
from tests.grades.conftest import AS_OF, a_fact, champion

CN = load_edition(SHIPPED / "cn-2026-04.toml")
STRENGTH, TAIL = 500.0, 0.05
COUNTS = {"": (4_000, 40), "B": (300, 15), "C": (1_500, 12), "C26": (200, 6)}
Document = dict[str, Any]


def a_document() -> Document:
    """Builds what a model publishes, by scipy's own quantiles."""
    rates: dict[str, float] = {}
    rows = []
    for code, (n, k) in COUNTS.items():
        a, b = counted(n, k, STRENGTH, rates[""] if code else None)
        rates[code] = a / (a + b)
        low, high = beta.ppf((TAIL, 1 - TAIL), a, b)
        rows.append(
            {"class": code, "subjects": n, "positives": k, "probability": rates[code], "low": low, "high": high}
        )
    return {"confidence": 0.9, "strength": STRENGTH, "classes": rows}


PRIORS = read_priors(a_document())


def newcomer(**told: Any) -> Fact:
    return a_fact("REG", "2026-03-01", 1, founded_date="2026-02-01", headcount=80, **told)


def graded(card: Scorecard, *facts: Fact, day: int = AS_OF, **known: Any) -> Graded:
    return grade_many(CN, card, [Case("USCC:91110108MA00000070", "ENTERPRISE", facts, **known)], day)[0]


@pytest.fixture(scope="module")
def card(champions: dict[str, Artefact]) -> Scorecard:
    return replace(champions["cn_sim_pd"].scorecard, priors=PRIORS)


def test_chance_below_a_rate_is_that_of_the_library() -> None:
    dice = random.Random(1)
    for _ in range(500):
        a, b, q = 10 ** dice.uniform(-0.3, 5.5), 10 ** dice.uniform(-0.3, 6), dice.uniform(0.001, 0.999)
        x = float(beta.ppf(q, a, b))
        assert below(x, a, b) == pytest.approx(float(beta.cdf(x, a, b)), abs=1e-8)
    assert (below(0.0, 2, 3), below(1.0, 2, 3), below(-1, 2, 3), below(2, 2, 3)) == (0, 1, 0, 1)


def test_rate_of_a_class_lies_between_its_own_and_that_of_everybody() -> None:
    for code, (n, k) in COUNTS.items():
        one = PRIORS.classes[code]
        above = PRIORS.classes[""].probability if code else 0.5
        assert min(k / n, above) < one.probability < max(k / n, above)
        assert one.low < one.probability < one.high
    assert PRIORS.classes[""].probability == pytest.approx(40.5 / 4_001)
    assert PRIORS.classes["C26"].high - PRIORS.classes["C26"].low > PRIORS.classes[""].high - PRIORS.classes[""].low


def test_written_and_read_again_it_is_the_same() -> None:
    assert read_priors(json.loads(json.dumps(priors_document(PRIORS)))) == PRIORS


@pytest.mark.parametrize(
    ("industry", "found"),
    [
        ("C2611", "C26"),
        ("2611", "C26"),
        ("C26", "C26"),
        ("C", "C"),
        ("C3011", "C"),
        ("B0610", "B"),
        ("H6210", ""),
        ("", ""),
    ],
)
def test_narrowest_published_class_speaks(industry: str, found: str) -> None:
    assert PRIORS.at(industry).class_code == found


def test_class_is_that_of_the_last_registration_that_names_one() -> None:
    facts = [
        a_fact("REG", "2026-01-01", 1, industry_code="B0610"), a_fact("REG", "2026-02-01", 2, industry_code="C2611"),
        a_fact("REG", "2026-03-01", 3, headcount=9), a_fact("INS", "2026-04-01", 4, result="CLEAN"),
    ]  # fmt: skip
    crowd = Crowd([facts[:1], [], facts, facts[3:]])
    assert industries_of(crowd, [0, 1, 2, 3]) == ["B0610", "", "C2611", ""]
    assert industries_of(crowd, [2]) == ["C2611"]
    assert industries_of(Crowd([[]]), [0]) == [""]
    assert class_codes("C") == ("C", "")


def row(place: int, **changes: Any) -> Callable[[Document], object]:
    return lambda document: document["classes"][place].update(changes)


FORGED: dict[str, Callable[[Document], object]] = {
    "rate of everybody": row(0, probability=0.0102),
    "rate of a division": row(3, probability=0.02),
    "low end": row(1, low=0.02),
    "high end": row(1, high=0.2),
    "ends turned round": lambda d: d["classes"][1].update(low=d["classes"][1]["high"], high=d["classes"][1]["low"]),
    "one positive more": row(2, positives=13),
    "more positives than subjects": row(2, positives=1_501),
    "negative count": row(2, positives=-1),
    "fractional count": row(2, subjects=1_500.0),
    "count true": row(2, positives=True),
    "rate a text": row(0, probability="0.01"),
    "rate above one": row(0, high=1.2),
    "rate infinite": row(0, high=float("inf")),
    "class of no industry": row(3, **{"class": "Z99"}),
    "class of four digits": row(3, **{"class": "C2611"}),
    "class of a region": row(3, **{"class": "110108"}),
    "class without its letter": row(3, **{"class": "C6"}),
    "class twice": row(3, **{"class": "C"}),
    "everybody left out": lambda d: d["classes"].pop(0),
    "no classes": lambda d: d.__setitem__("classes", []),
    "strength": lambda d: d.__setitem__("strength", 600.0),
    "strength zero": lambda d: d.__setitem__("strength", 0),
    "confidence": lambda d: d.__setitem__("confidence", 0.95),
    "confidence of all": lambda d: d.__setitem__("confidence", 1.0),
}


@pytest.mark.parametrize("name", FORGED)
def test_whatever_does_not_follow_from_its_counts_is_refused(name: str) -> None:
    document = a_document()
    FORGED[name](document)
    with pytest.raises(CreditError) as caught:
        read_priors(document)
    assert (caught.value.reason, "priors.json: got" in caught.value.message) == (Reason.MODEL_INVALID, True)


def test_pending_subject_has_its_class_and_no_score(card: Scorecard) -> None:
    found = graded(card, newcomer(industry_code="C2611"))
    assert (found.grade, found.score, found.probability, found.model_id) == ("PENDING", None, None, None)
    assert found.class_prior == ClassPrior(PRIORS.classes["C26"], 0.9, f"cn_sim_pd/{champion('cn_sim_pd')}")
    told = found.document()["class_prior"]
    assert told["probability"] == PRIORS.classes["C26"].probability
    assert "行业C26" in told["text_zh"]
    assert (
        f"{100 * told['probability']:.2f}%（90%区间{100 * told['low']:.2f}%–{100 * told['high']:.2f}%"
        in told["text_zh"]
    )
    assert "industry C26" in told["text_en"]
    assert "不是对本主体的评价" in told["text_zh"]


def test_what_is_not_published_is_absent(card: Scorecard) -> None:
    bare = replace(card, priors=None)
    assert "class_prior" not in graded(bare, newcomer()).document()
    assert card.expires_day is not None
    after = card.expires_day + 1
    fresh = a_fact("REG", after - 50, 1, founded_date=day_text(after - 80), industry_code="C2611")
    assert graded(card, fresh, day=after - 1).class_prior
    assert graded(card, fresh, day=after).class_prior is None, "the model has expired"
    assert graded(card, fresh, day=after).grade == "PENDING"


def test_only_pending_shows_a_class(card: Scorecard) -> None:
    old = a_fact("REG", "2015-01-01", 1, founded_date="2010-01-01", industry_code="C2611")
    assert graded(card, old).class_prior is None
    stopped = a_fact("ORD", "2026-05-01", 2, order_kind="STOP_WORK", from_date="2026-05-01")
    capped = graded(card, newcomer(), stopped)
    assert (capped.grade, capped.class_prior) == ("C", None)
    overridden = graded(card, newcomer(), override=Override("o", "B", "REVIEWED", AS_OF + 30))
    assert (overridden.grade, overridden.class_prior) == ("B", None)


def test_records_do_not_move_what_is_expected_of_the_class(card: Scorecard) -> None:
    penalty = a_fact("PEN", "2026-05-01", 2, articles=["甲/1"], severity="GENERAL", fine_fen=1)
    alone, punished = graded(card, newcomer(industry_code="B06")), graded(card, newcomer(industry_code="B06"), penalty)
    assert punished.grade == "PENDING"
    assert alone.class_prior == punished.class_prior
    assert alone.class_prior is not None


def test_region_makes_no_class() -> None:
    told = [newcomer(industry_code="C26", supervising_region=region) for region in ("110108", "110105")]
    assert industries_of(Crowd([told[:1], told[1:]]), [0, 1]) == ["C26", "C26"]
