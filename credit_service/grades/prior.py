"""What is expected of a class of subjects that are pending 待评定: a rate with its interval, never a score. Pure.

Classes are industries: divisions, sections, and all subjects together. The rate of a class is drawn towards that of all
as if `strength` more subjects with their rate had been seen; of all together half a case of either outcome is supposed.
A division is drawn towards all and not towards its section, which would count its own subjects twice. Regions and
traits of persons make no class.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.crowd import Crowd
from credit_service.normal.industries import canonical, problem

FILE = "priors.json"
# All subjects, whatever their industry.
EVERYBODY = ""
DIVISION = len("C26")
HALF = 0.5
SUBJECT_LIMIT = 10**9
STRENGTHS = (1.0, 1e6)
MEAN_TOLERANCE, TAIL_TOLERANCE = 1e-9, 1e-6
_STEPS, _CLOSE, _TINY = 100_000, 1e-14, 1e-300


@dataclass(frozen=True, slots=True)
class Prior:
    """Holds what is expected of one class: the rate of the model's label in 12 months, and where it lies."""

    class_code: str
    subjects: int
    positives: int
    probability: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassPrior:
    """Holds what is expected of the class of one subject, and by which model."""

    prior: Prior
    confidence: float
    model_id: str

    def document(self) -> dict[str, Any]:
        """Returns it as it is kept and sent."""
        zh, en = self.text()
        p = self.prior
        return {
            "probability": p.probability, "low": p.low, "high": p.high, "confidence": self.confidence,
            "class_code": p.class_code, "subject_count": p.subjects, "model_id": self.model_id,
            "text_zh": zh, "text_en": en,
        }  # fmt: skip

    def text(self) -> tuple[str, str]:
        """Says it in Chinese and in English."""
        p, sure = self.prior, f"{100 * self.confidence:.0f}"
        rate, low, high = (f"{100 * value:.2f}" for value in (p.probability, p.low, p.high))
        zh = f"行业{p.class_code}" if p.class_code else "各行业"
        en = f"of industry {p.class_code}" if p.class_code else "of all industries"
        return (
            f"{zh}尚缺评级依据的主体，未来十二个月预期概率{rate}%（{sure}%区间{low}%–{high}%，依据{p.subjects:,}家）；"
            "这是类别的概率，不是对本主体的评价",
            f"Pending subjects {en}: {rate} % expected in 12 months ({sure} % interval {low} % to {high} %, by "
            f"{p.subjects:,} subjects); a rate of the class, no judgement of this subject",
        )


@dataclass(frozen=True, slots=True)
class Priors:
    """Holds what a model publishes of the classes."""

    confidence: float
    strength: float
    classes: Mapping[str, Prior]

    def at(self, industry_code: str) -> Prior:
        """Returns the narrowest class that is published of an industry."""
        return next(self.classes[one] for one in class_codes(industry_code) if one in self.classes)


def industries_of(crowd: Crowd, subjects: Sequence[int]) -> list[str]:
    """Returns the industry that each of some subjects registered last, empty where none did; facts come by day."""
    registrations = crowd.kinds.get("REG")
    if registrations is None or not subjects:
        return [""] * len(subjects)
    told = crowd.subject[registrations.rows]
    places = np.flatnonzero(np.isin(told, subjects))
    codes = registrations.texts("industry_code", places)
    last = {subject: code for subject, code in zip(told[places].tolist(), codes, strict=True) if code}
    return [last.get(subject, "") for subject in subjects]


def class_codes(industry_code: str) -> tuple[str, ...]:
    """Returns the classes of an industry, the narrowest first."""
    if not industry_code:
        return (EVERYBODY,)
    code = canonical(industry_code)
    return (*((code[:DIVISION],) if len(code) >= DIVISION else ()), code[0], EVERYBODY)


def counted(subjects: int, positives: int, strength: float, everybody: float | None) -> tuple[float, float]:
    """Returns both counts of the rate's beta distribution: what was seen, and what everybody lends to a class."""
    lent = (HALF, HALF) if everybody is None else (strength * everybody, strength * (1 - everybody))
    return positives + lent[0], subjects - positives + lent[1]


def below(x: float, a: float, b: float) -> float:
    """Returns the chance that a rate of a beta distribution lies below x, by its continued fraction."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - below(1 - x, b, a)
    ways = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(ways + a * math.log(x) + b * math.log1p(-x)) / a
    found, c, d = 1.0, 1.0, 0.0
    for n in range(_STEPS):
        m = n // 2
        if n == 0:
            part = 1.0
        elif n % 2:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + part * d) or _TINY)
        c = (1 + part / c) or _TINY
        found *= c * d
        if abs(1 - c * d) < _CLOSE:
            break
    return front * (found - 1)


def read_priors(document: Mapping[str, Any]) -> Priors:
    """Reads what a model publishes of classes; every rate and interval is computed again from its counts."""
    confidence, strength = document["confidence"], document["strength"]
    if not (_is_number(confidence, 0.5, 0.999) and _is_number(strength, *STRENGTHS)):
        raise _invalid((confidence, strength), "confidence and strength within reason")
    priors = [_prior(one) for one in document["classes"]]
    classes = {prior.class_code: prior for prior in priors}
    if EVERYBODY not in classes or len(classes) != len(priors):
        raise _invalid(sorted(classes), "each class once, and that of everybody")
    for prior in priors:
        _check(prior, classes, strength, (1 - confidence) / 2)
    return Priors(confidence, strength, classes)


def priors_document(priors: Priors) -> dict[str, Any]:
    """Writes them; the twin of `read_priors`."""
    rows = [
        {
            "class": one.class_code, "subjects": one.subjects, "positives": one.positives,
            "probability": one.probability, "low": one.low, "high": one.high,
        }
        for one in priors.classes.values()
    ]  # fmt: skip
    return {"confidence": priors.confidence, "strength": priors.strength, "classes": rows}


def _prior(row: Mapping[str, Any]) -> Prior:
    code, counts = row["class"], (row["subjects"], row["positives"])
    if code != EVERYBODY and (len(code) not in {1, DIVISION} or problem(code) or canonical(code) != code):
        raise _invalid(code, "a section or a division")
    if not all(_is_whole(one) for one in counts) or counts[1] > counts[0]:
        raise _invalid(counts, "counts of subjects and of positives among them")
    rates = [row[name] for name in ("probability", "low", "high")]
    if not all(_is_number(one, 0.0, 1.0) for one in rates):
        raise _invalid(rates, "rates")
    return Prior(code, *counts, *rates)


def _check(prior: Prior, classes: Mapping[str, Prior], strength: float, tail: float) -> None:
    code = prior.class_code
    everybody = None if code == EVERYBODY else classes[EVERYBODY].probability
    a, b = counted(prior.subjects, prior.positives, strength, everybody)
    if not math.isclose(prior.probability, a / (a + b), rel_tol=MEAN_TOLERANCE):
        raise _invalid(prior.probability, f"{a / (a + b)} for class {code or 'of everybody'}")
    tails = (below(prior.low, a, b), 1 - below(prior.high, a, b))
    if any(abs(one - tail) > TAIL_TOLERANCE for one in tails):
        raise _invalid(tails, f"{tail} beyond either end of class {code or 'of everybody'}")


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SUBJECT_LIMIT


def _invalid(got: object, want: str) -> CreditError:
    return CreditError(Reason.MODEL_INVALID, f"{FILE}: got {shown(got)}, want {want}", file=FILE)
