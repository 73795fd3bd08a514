"""The shapes of an edition: rules, vetoes and terms as frozen values, ready to compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from credit_service.legal_days import Period
from credit_service.rulebook.condition import Condition
from credit_service.rulebook.sieve import Sieve


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """Names instrument and article, and how sure the text is: law, verify or default.

    `kind` is the rank of the instrument, such as LAW or LOCAL_REGULATION; `role` says what the article does behind
    points, and `since_day` is the first day of the text that is meant, 0 where the edition does not say.
    """

    instrument: str
    article: str
    source: str
    kind: str
    text_zh: str
    text_en: str
    role: str = ""
    since_day: int = 0


@dataclass(frozen=True, slots=True)
class PointsBasis:
    """Says by which articles what earns points counts; `id` is a feature of a model or a line of the rule score."""

    id: str
    bases: tuple[LegalBasis, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """Joins a condition with the text that explains it and the law behind it."""

    id: str
    when: Condition
    needs: frozenset[int] = field(compare=False)
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Rule(Clause):
    """Says when a criterion of a list or record is met and what follows; never lists by itself."""

    list: str
    effect: str
    applies_to: str
    scope: str | None
    term: Period | None
    early_exit: Period | None
    early_exit_bars: tuple[str, ...]
    requires: tuple[str, ...]
    is_founded: bool


@dataclass(frozen=True, slots=True)
class VetoRule(Clause):
    """Caps the grade at C or D while its condition holds."""

    cap: str


@dataclass(frozen=True, slots=True)
class PendingRule(Clause):
    """Says when a subject of these schemes is not graded yet."""

    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublicityTerm:
    """Bounds how long a record of a severity is public, counted from the decision day."""

    severity: str
    min: Period | None
    max: Period


@dataclass(frozen=True, slots=True)
class Usability:
    """Says when a record may no longer be used: void, repaired, or past its publicity."""

    void_status: tuple[str, ...]
    follow: tuple[str, ...]
    repair_reaches: tuple[str, ...]
    terms: tuple[PublicityTerm, ...]
    absent_severity: str
    bases: tuple[LegalBasis, ...]


@dataclass(frozen=True, slots=True)
class RepairCondition:
    """Names what must hold before a record is repaired; what each id looks at stands in `remedies.repairs`."""

    id: str
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class AccidentLevel:
    """Sets the least deaths, serious injuries or loss of a level; any one suffices."""

    level: str
    deaths: int
    serious_injuries: int
    direct_loss_fen: int


@dataclass(frozen=True, slots=True)
class Accidents:
    """Holds the levels, worst first, and the days within which casualties are restated."""

    levels: tuple[AccidentLevel, ...]
    restate_days: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Deadline:
    """Bounds a duty of an authority, or a right of a subject, in working days or by a calendar period."""

    working_days: int
    period: Period | None
    is_right: bool
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Names a measure 惩戒/激励措施 that a displayed listing obliges agencies to, and within how many working days.

    `catalog_ref` names its entry in the national catalogue, without which no measure may be taken.
    """

    id: str
    list: str
    agencies: tuple[str, ...]
    catalog_ref: str
    apply_working_days: int
    lift_working_days: int
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class PointsCase:
    """Gives points for each match of a condition."""

    points: int
    when: Condition
    needs: frozenset[int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Multiplies the points of a fact that shares a value of `field` with an earlier one within the period."""

    field: str
    within: Period
    percent: int


@dataclass(frozen=True, slots=True)
class PointsLine:
    """Holds one line of the rule score 规则分; `at_most` bounds its points either way.

    Fading points fall in a straight line from the first day of a match to its end.
    """

    id: str
    cases: tuple[PointsCase, ...]
    at_most: int | None
    is_fading: bool
    is_actionable: bool
    repeat: Repeat | None
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class RulePoints:
    """Holds the rule score: its base, its lines, and how far the model may move it where it is bounded."""

    base: int
    model_reach: int
    lines: tuple[PointsLine, ...]


@dataclass(frozen=True, slots=True)
class Stability:
    """Keeps a grade from flapping: see `grades.stability`.

    `buffer` is in points; cycles begin on the first day of every `cycle_months`-th month, and the grade settles
    anew on the first day of every `settle_months`-th.
    """

    buffer: int
    cycle_months: int
    upgrade_cycles: int
    settle_months: int
    bases: tuple[LegalBasis, ...]


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Names why officers may set a grade by hand."""

    id: str
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Overrides:
    """Bounds overrides: the longest term, and the closed list of reasons."""

    longest: Period
    reasons: tuple[OverrideReason, ...]


@dataclass(frozen=True, slots=True)
class GradingPolicy:
    """Holds what an edition says about grades: bands, vetoes, conditions for A, pending.

    `mode` says what sets the score: `model`; `bounded`, the model within reach of the rule score; `rules`.
    """

    mode: str
    model: str
    bands: Mapping[str, int]
    a_conditions: tuple[Clause, ...]
    vetoes: tuple[VetoRule, ...]
    hard_record: Condition | None
    pending: tuple[PendingRule, ...]
    # None: the edition has no rule score, so its model cannot retire to it.
    points: RulePoints | None
    # None: a grade follows its score at once.
    stability: Stability | None
    # None: no officer may override a grade.
    overrides: Overrides | None
    # By which articles what earns points counts, by feature or line; it moves no grade.
    points_bases: Mapping[str, PointsBasis]


@dataclass(frozen=True, slots=True)
class Edition:
    """Holds a dated edition of the rulebook, in force on each day of [valid_from, valid_to)."""

    id: str
    regime: str
    valid_from: int
    valid_to: int | None
    schemes: tuple[str, ...]
    rules: tuple[Rule, ...]
    scopes: Mapping[str, Condition]
    usability: Usability
    accidents: Accidents
    grading: GradingPolicy
    deadlines: Mapping[str, Deadline]
    measures: tuple[Measure, ...]
    # Empty: records under this edition cannot be repaired.
    repair: tuple[RepairCondition, ...]
    digest: str = field(compare=False)
    document: str = field(compare=False, repr=False)
    # The file of the bases of points that lies beneath, empty where there is none; not part of the digest.
    points_bases_document: str = field(compare=False, repr=False)
    # The patterns of every condition, and those of the law alone, without the rule score.
    sieve: Sieve = field(init=False, compare=False, repr=False)
    law_sieve: Sieve = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Sorts the patterns of every condition."""
        grading = self.grading
        lines = grading.points.lines if grading.points else ()
        clauses = (*self.rules, *grading.vetoes, *grading.a_conditions, *grading.pending)
        laws = [*(clause.when for clause in clauses), *self.scopes.values()]
        laws += [] if grading.hard_record is None else [grading.hard_record]
        object.__setattr__(self, "law_sieve", Sieve(laws, []))
        object.__setattr__(self, "sieve", Sieve(laws, [case.when for line in lines for case in line.cases]))

    def is_in_force(self, day: int) -> bool:
        """Says whether the edition governs that day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)
