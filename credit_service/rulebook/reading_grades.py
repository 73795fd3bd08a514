"""What an edition says about grades: bands, law, rule score, stability and overrides, read strictly."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from credit_service.rulebook.condition import needs
from credit_service.rulebook.grammar import read_condition
from credit_service.rulebook.law import (
    Clause,
    GradingPolicy,
    OverrideReason,
    Overrides,
    PendingRule,
    PointsBasis,
    PointsCase,
    PointsLine,
    Repeat,
    RulePoints,
    Stability,
    VetoRule,
)
from credit_service.rulebook.reading_clauses import CLAUSE_KEYS, Context, read_bases, read_common, read_unique
from credit_service.rulebook.schema import Table
from credit_service.rulebook.vocabulary import KINDS

MODES = ("model", "bounded", "rules")
CYCLES = (1, 2, 3, 4, 6, 12)
# An article binds the enterprise, or lets the regulator weigh what it does.
ROLES = ("duty", "authority")


def read_grading(table: Table, context: Context) -> GradingPolicy:
    """Reads the grading section of an edition."""
    hard = table.table("hard_record") if table.has("hard_record") else None
    policy = GradingPolicy(
        mode=table.choice("mode", MODES),
        model=table.text("model"),
        bands=_bands(table.table("bands")),
        a_conditions=read_unique(table, "a_conditions", lambda entry: _plain(entry, context)),
        vetoes=read_unique(table, "vetoes", lambda entry: _veto(entry, context)),
        hard_record=None if hard is None else read_condition(hard, context.states),
        pending=read_unique(table, "pending", lambda entry: _pending(entry, context)),
        points=_points(table.table("points"), context) if table.has("points") else None,
        stability=_stability(table.table("stability"), context) if table.has("stability") else None,
        overrides=_overrides(table.table("overrides"), context) if table.has("overrides") else None,
        # A plain mapping: another process can take it along.
        points_bases={b.id: b for b in read_unique(table, "points_bases", lambda entry: _points_basis(entry, context))},
    )
    if policy.mode != "model" and policy.points is None:
        table.refuse("points", None, f"a table, because mode is {policy.mode}")
    table.finish(GradingPolicy.__slots__)
    return policy


def _bands(table: Table) -> Mapping[str, int]:
    bands = {grade: table.whole(grade, 0, 1000) for grade in ("A", "B", "C")}
    for better, worse in pairwise(bands):
        if bands[better] <= bands[worse]:
            table.refuse(better, bands[better], f"a score above that of {worse}, {bands[worse]}")
    table.finish(bands)
    return MappingProxyType(bands)


def _plain(table: Table, context: Context) -> Clause:
    clause = Clause(*read_common(table, context))
    table.finish(CLAUSE_KEYS)
    return clause


def _veto(table: Table, context: Context) -> VetoRule:
    veto = VetoRule(*read_common(table, context), cap=table.choice("cap", ("C", "D")))
    table.finish((*CLAUSE_KEYS, "cap"))
    return veto


def _pending(table: Table, context: Context) -> PendingRule:
    rule = PendingRule(*read_common(table, context), schemes=table.texts("schemes"))
    table.finish((*CLAUSE_KEYS, "schemes"))
    return rule


def _points(table: Table, context: Context) -> RulePoints:
    points = RulePoints(
        base=table.whole("base", 0, 1000),
        model_reach=table.whole("model_reach", 0, 1000),
        lines=read_unique(table, "lines", lambda entry: _line(entry, context)),
    )
    table.finish(RulePoints.__slots__)
    return points


def _line(table: Table, context: Context) -> PointsLine:
    cases = tuple(_case(entry, context) for entry in table.tables("cases"))
    if not cases or len({case.points > 0 for case in cases}) > 1:
        table.refuse("cases", [case.points for case in cases], "at least one case, all of one sign")
    line = PointsLine(
        id=table.text("id"), cases=cases,
        at_most=table.whole("at_most", 1, 1000) if table.has("at_most") else None,
        is_fading=table.flag("fades", default=False), is_actionable=table.flag("actionable", default=True),
        repeat=_repeat(table.table("repeat"), context) if table.has("repeat") else None,
        bases=read_bases(table, context), text_zh=table.text("text_zh"), text_en=table.text("text_en"),
    )  # fmt: skip
    table.finish(("id", "cases", "at_most", "fades", "actionable", "repeat", "bases", "text_zh", "text_en"))
    return line


def _case(table: Table, context: Context) -> PointsCase:
    when = read_condition(table.table("when"), context.states)
    case = PointsCase(table.whole("points", -1000, 1000), when, needs(when))
    table.finish(("points", "when"))
    return case


def _repeat(table: Table, _context: Context) -> Repeat:
    lists = sorted({name for fields in KINDS.values() for name, field in fields.items() if field.form == "texts"})
    repeat = Repeat(table.choice("same", lists), table.period("within"), table.whole("percent", 100, 1000))
    table.finish(("same", "within", "percent"))
    return repeat


def _stability(table: Table, context: Context) -> Stability:
    found = Stability(
        buffer=table.whole("buffer", 0, 500),
        cycle_months=table.whole("cycle_months", 1, 12),
        upgrade_cycles=table.whole("upgrade_cycles", 1, 12),
        settle_months=table.whole("settle_months", 1, 12),
        bases=read_bases(table, context),
    )
    for key in ("cycle_months", "settle_months"):
        table.check_word(key, getattr(found, key), CYCLES)
    if found.settle_months % found.cycle_months:
        table.refuse("settle_months", found.settle_months, f"a multiple of cycle_months, {found.cycle_months}")
    table.finish(Stability.__slots__)
    return found


def _overrides(table: Table, context: Context) -> Overrides:
    found = Overrides(table.period("longest"), read_unique(table, "reasons", lambda entry: _reason(entry, context)))
    table.finish(Overrides.__slots__)
    return found


def _points_basis(table: Table, context: Context) -> PointsBasis:
    found = PointsBasis(table.text("id"), read_bases(table, context, ROLES))
    table.finish(PointsBasis.__slots__)
    return found


def _reason(table: Table, context: Context) -> OverrideReason:
    reason = OverrideReason(table.text("id"), read_bases(table, context), table.text("text_zh"), table.text("text_en"))
    table.finish(OverrideReason.__slots__)
    return reason
