"""Reads the merged tables of an edition into the shapes of `law`, checking every value."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from credit_service.rulebook.deadlines import read_deadlines
from credit_service.rulebook.grammar import LISTS, read_condition, read_states
from credit_service.rulebook.law import (
    AccidentLevel,
    Accidents,
    Edition,
    Measure,
    PublicityTerm,
    RepairCondition,
    Rule,
    Usability,
)
from credit_service.rulebook.reading_clauses import (
    CLAUSE_KEYS,
    Context,
    Instrument,
    read_bases,
    read_common,
    read_unique,
)
from credit_service.rulebook.reading_grades import read_grading
from credit_service.rulebook.schema import Table
from credit_service.rulebook.vocabulary import ACCIDENT_KINDS, KINDS, LEVELS, REPAIR_GUARDS, SEVERITIES

EFFECTS = ("CANDIDATE", "ELIGIBLE", "RECORD", "WATCH", "ALERT")
REQUIREMENTS = ("HUMAN_DECISION", "NOTICE", "SERVICE", "PUBLIC_NOTICE")
RANKS = (
    *("LAW", "ADMIN_REG", "CENTRAL_POLICY", "MINISTRY_RULE", "LOCAL_REGULATION"),
    *("NORMATIVE", "DEFAULT"),
)

_DUE_PROCESS = ("HUMAN_DECISION", "NOTICE", "SERVICE")
_RULE_KEYS = (
    *(*CLAUSE_KEYS, "list", "effect", "applies_to", "scope", "term", "early_exit"),
    *("early_exit_bars", "requires"),
)


def read_edition(table: Table, digest: str, document: str, points_bases_document: str = "") -> Edition:
    """Reads a whole edition."""
    context = _context(table)
    valid_from = table.day("valid_from")
    through = table.day("valid_through") if table.has("valid_through") else None
    if through is not None and through < valid_from:
        table.refuse("valid_through", table.values["valid_through"], "a day not before valid_from")
    edition = Edition(
        id=_id(table),
        regime=table.text("regime"),
        valid_from=valid_from,
        valid_to=None if through is None else through + 1,
        schemes=table.texts("schemes"),
        rules=read_unique(table, "rules", lambda entry: _rule(entry, context)),
        scopes=context.scopes,
        usability=_usability(table.table_or_empty("usability"), context),
        accidents=_accidents(table.table_or_empty("accidents")),
        grading=read_grading(table.table("grading"), context),
        deadlines=read_deadlines(table.table_or_empty("deadlines"), lambda entry: read_bases(entry, context)),
        measures=read_unique(table, "measures", lambda entry: _measure(entry, context)),
        repair=read_unique(table, "repair", lambda entry: _repair(entry, context)),
        digest=digest,
        document=document,
        points_bases_document=points_bases_document,
    )
    table.finish([name for name in Edition.__slots__ if name != "sieve"])
    return edition


def _id(table: Table) -> str:
    value = table.text("id")
    if f"{value}.toml" != table.file:
        table.refuse("id", value, f"the name of the file, {table.file.removesuffix('.toml')}")
    return value


def _context(table: Table) -> Context:
    states = read_states(table.table_or_empty("states"))
    scopes, lists = table.table_or_empty("scopes"), table.table_or_empty("lists")
    ranks = {}
    for name in lists.names():
        lists.check_word(name, name, LISTS)
        policy = lists.table(name)
        ranks[name] = policy.choices("basis_ranks", RANKS)
        policy.finish(("basis_ranks",))
    return Context(
        instruments=_instruments(table.table("instruments")),
        states=states,
        ranks=ranks,
        scopes=MappingProxyType({name: read_condition(scopes.table(name), states) for name in scopes.names()}),
    )


def _instruments(table: Table) -> Mapping[str, Instrument]:
    found = {}
    for name in table.names():
        inner = table.table(name)
        found[name] = Instrument(
            inner.text("name"),
            inner.choice("rank", RANKS),
            inner.text("title_zh"),
            inner.text("title_en"),
            inner.day("valid_from") if inner.has("valid_from") else 0,
        )
        inner.finish(("name", "rank", "title_zh", "title_en", "valid_from"))
    return found


def _measure(table: Table, context: Context) -> Measure:
    measure = Measure(
        id=table.text("id"), list=table.choice("list", ("BLACK", "RED")), agencies=table.texts("agencies"),
        catalog_ref=table.text("catalog_ref"), apply_working_days=table.whole("apply_working_days", 1, 366),
        lift_working_days=table.whole("lift_working_days", 1, 366), bases=read_bases(table, context),
        text_zh=table.text("text_zh"), text_en=table.text("text_en"),
    )  # fmt: skip
    if not measure.agencies:
        table.refuse("agencies", (), "the agencies that carry it out")
    table.finish(Measure.__slots__)
    return measure


def _repair(table: Table, context: Context) -> RepairCondition:
    condition = RepairCondition(
        id=table.choice("id", REPAIR_GUARDS), bases=read_bases(table, context),
        text_zh=table.text("text_zh"), text_en=table.text("text_en"),
    )  # fmt: skip
    table.finish(RepairCondition.__slots__)
    return condition


def _rule(table: Table, context: Context) -> Rule:
    common = read_common(table, context)
    name = table.choice("list", LISTS)
    ranks = context.ranks.get(name, RANKS)
    rule = Rule(
        *common,
        list=name,
        effect=table.choice("effect", EFFECTS),
        applies_to=table.choice("applies_to", ("UNIT", "PERSON", "ANY"), "UNIT"),
        scope=table.choice("scope", context.scopes) if table.has("scope") else None,
        term=table.period_or_none("term"),
        early_exit=table.period_or_none("early_exit"),
        early_exit_bars=table.choices("early_exit_bars", KINDS, ()),
        requires=table.choices("requires", REQUIREMENTS, ()),
        is_founded=common.bases[0].kind in ranks,
    )
    missing = set(_DUE_PROCESS) - set(rule.requires)
    if rule.effect == "CANDIDATE" and missing:
        table.refuse("requires", list(rule.requires), f"also {', '.join(sorted(missing))}: people list")
    table.finish(_RULE_KEYS)
    return rule


def _usability(table: Table, context: Context) -> Usability:
    publicity = table.table_or_empty("publicity")
    severity = publicity.choice("absent", SEVERITIES, "GENERAL")
    terms = tuple(_publicity_term(publicity.table(name), name) for name in SEVERITIES if publicity.has(name))
    if terms and severity not in {term.severity for term in terms}:
        publicity.refuse("absent", severity, "a severity that has a term here")
    statuses = sorted(KINDS["PEN"]["status"].values)
    usability = Usability(
        void_status=table.choices("void_status", statuses, ()),
        follow=table.choices("follow", KINDS, ()),
        repair_reaches=table.choices("repair_reaches", KINDS, ()),
        terms=terms,
        absent_severity=severity,
        bases=read_bases(publicity, context) if terms else (),
    )
    publicity.finish(("absent", "bases", *SEVERITIES))
    table.finish(("void_status", "follow", "repair_reaches", "publicity"))
    return usability


def _publicity_term(table: Table, severity: str) -> PublicityTerm:
    term = PublicityTerm(severity, table.period_or_none("min"), table.period("max"))
    if term.min is not None and term.min.after(1) > term.max.after(1):
        table.refuse("min", str(term.min), f"a period not longer than max {term.max}")
    table.finish(("min", "max"))
    return term


def _accidents(table: Table) -> Accidents:
    levels = tuple(_level(table.table(name), name) for name in LEVELS if table.has(name))
    for worse, milder in pairwise(levels):
        for key in ("deaths", "serious_injuries", "direct_loss_fen"):
            if getattr(worse, key) <= getattr(milder, key):
                limit = f"more than {milder.level} has, {getattr(milder, key)}"
                table.refuse(f"{worse.level}.{key}", getattr(worse, key), limit)
    days = table.table_or_empty("restate_days")
    # A plain mapping: another process can take it along.
    accidents = Accidents(levels, {kind: days.whole(kind, 1, 366) for kind in days.names()})
    for kind in accidents.restate_days:
        days.check_word(kind, kind, ACCIDENT_KINDS)
    table.finish((*LEVELS, "restate_days"))
    return accidents


def _level(table: Table, level: str) -> AccidentLevel:
    least = AccidentLevel(
        level,
        table.whole("deaths", 0, 10**6),
        table.whole("serious_injuries", 0, 10**6),
        table.whole("direct_loss_fen", 0, 10**15),
    )
    table.finish(("deaths", "serious_injuries", "direct_loss_fen"))
    return least
