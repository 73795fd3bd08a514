"""Reads the merged tables of an edition into the shapes of `law`, checking every value."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from credit_service.rulebook.condition import Condition, needs
from credit_service.rulebook.deadlines import read_deadlines
from credit_service.rulebook.grammar import LISTS, States, read_condition, read_states
from credit_service.rulebook.law import (
    AccidentLevel,
    Accidents,
    Clause,
    Edition,
    GradingPolicy,
    LegalBasis,
    Measure,
    PendingRule,
    PublicityTerm,
    RepairCondition,
    Rule,
    Usability,
    VetoRule,
)
from credit_service.rulebook.schema import Table
from credit_service.rulebook.vocabulary import ACCIDENT_KINDS, KINDS, LEVELS, REPAIR_GUARDS, SEVERITIES

EFFECTS = ("CANDIDATE", "ELIGIBLE", "RECORD", "WATCH", "ALERT")
REQUIREMENTS = ("HUMAN_DECISION", "NOTICE", "SERVICE", "PUBLIC_NOTICE")
RANKS = (
    *("LAW", "ADMIN_REG", "CENTRAL_POLICY", "MINISTRY_RULE", "LOCAL_REGULATION"),
    *("NORMATIVE", "DEFAULT"),
)


_DUE_PROCESS = ("HUMAN_DECISION", "NOTICE", "SERVICE")
_CLAUSE_KEYS = ("id", "when", "bases", "text_zh", "text_en")
_RULE_KEYS = (
    *(*_CLAUSE_KEYS, "list", "effect", "applies_to", "scope", "term", "early_exit"),
    *("early_exit_bars", "requires"),
)

AnyClause = TypeVar("AnyClause", bound=Clause)


class Instrument(NamedTuple):
    """Names a law, rule or policy and its rank."""

    name: str
    rank: str
    title_zh: str
    title_en: str


class Common(NamedTuple):
    """Carries what every clause has, in the order of its fields."""

    id: str
    when: Condition
    needs: frozenset[str]
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


class Context(NamedTuple):
    """Carries what the clauses of an edition refer to by name."""

    instruments: Mapping[str, Instrument]
    states: States
    ranks: Mapping[str, tuple[str, ...]]
    scopes: Mapping[str, Condition]


def read_edition(table: Table, digest: str, document: str) -> Edition:
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
        rules=_unique(table, "rules", lambda entry: _rule(entry, context)),
        scopes=context.scopes,
        usability=_usability(table.table_or_empty("usability"), context),
        accidents=_accidents(table.table_or_empty("accidents")),
        grading=_grading(table.table("grading"), context),
        deadlines=read_deadlines(table.table_or_empty("deadlines"), lambda entry: _bases(entry, context)),
        measures=_measures(table, context),
        repair=_repair(table, context),
        digest=digest,
        document=document,
    )
    table.finish(Edition.__slots__)
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
        )
        inner.finish(("name", "rank", "title_zh", "title_en"))
    return found


def _bases(table: Table, context: Context) -> tuple[LegalBasis, ...]:
    bases = tuple(_basis(entry, context) for entry in table.tables("bases"))
    if not bases:
        table.refuse("bases", None, "at least one legal basis, the founding one first")
    return bases


def _basis(table: Table, context: Context) -> LegalBasis:
    instrument = context.instruments[table.choice("instrument", context.instruments)]
    article = table.text("article", "-")
    basis = LegalBasis(
        instrument=instrument.name,
        article=article,
        source=table.choice("source", ("law", "verify", "default")),
        kind=instrument.rank,
        text_zh=f"《{instrument.title_zh}》" + ("" if article == "-" else f" {article}"),
        text_en=instrument.title_en + ("" if article == "-" else f", Art. {article}"),
    )
    table.finish(("instrument", "article", "source"))
    return basis


def _unique(table: Table, key: str, read: Callable[[Table], AnyClause]) -> tuple[AnyClause, ...]:
    clauses: dict[str, AnyClause] = {}
    for entry in table.tables(key):
        clause = read(entry)
        if clause.id in clauses:
            entry.refuse("id", clause.id, "an id that no other entry has")
        clauses[clause.id] = clause
    return tuple(clauses.values())


def _measures(table: Table, context: Context) -> tuple[Measure, ...]:
    """Reads the catalogue of measures; an edition without the section obliges nobody."""
    found: dict[str, Measure] = {}
    for entry in table.tables("measures") if table.has("measures") else ():
        measure = Measure(
            id=entry.text("id"), list=entry.choice("list", ("BLACK", "RED")), agencies=entry.texts("agencies"),
            catalog_ref=entry.text("catalog_ref"), apply_working_days=entry.whole("apply_working_days", 1, 366),
            lift_working_days=entry.whole("lift_working_days", 1, 366), bases=_bases(entry, context),
            text_zh=entry.text("text_zh"), text_en=entry.text("text_en"),
        )  # fmt: skip
        if measure.id in found:
            entry.refuse("id", measure.id, "an id that no other entry has")
        if not measure.agencies:
            entry.refuse("agencies", (), "the agencies that carry it out")
        entry.finish(Measure.__slots__)
        found[measure.id] = measure
    return tuple(found.values())


def _repair(table: Table, context: Context) -> tuple[RepairCondition, ...]:
    found: dict[str, RepairCondition] = {}
    for entry in table.tables("repair"):
        condition = RepairCondition(
            id=entry.choice("id", REPAIR_GUARDS), bases=_bases(entry, context),
            text_zh=entry.text("text_zh"), text_en=entry.text("text_en"),
        )  # fmt: skip
        if condition.id in found:
            entry.refuse("id", condition.id, "an id that no other entry has")
        entry.finish(RepairCondition.__slots__)
        found[condition.id] = condition
    return tuple(found.values())


def _common(table: Table, context: Context) -> Common:
    when = read_condition(table.table("when"), context.states)
    return Common(
        id=table.text("id"),
        when=when,
        needs=needs(when),
        bases=_bases(table, context),
        text_zh=table.text("text_zh"),
        text_en=table.text("text_en"),
    )


def _rule(table: Table, context: Context) -> Rule:
    common = _common(table, context)
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
        bases=_bases(publicity, context) if terms else (),
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


def _grading(table: Table, context: Context) -> GradingPolicy:
    hard = table.table("hard_record") if table.has("hard_record") else None
    policy = GradingPolicy(
        mode=table.choice("mode", ("model", "bounded")),
        model=table.text("model"),
        bands=_bands(table.table("bands")),
        a_conditions=_unique(table, "a_conditions", lambda entry: _plain(entry, context)),
        vetoes=_unique(table, "vetoes", lambda entry: _veto(entry, context)),
        hard_record=None if hard is None else read_condition(hard, context.states),
        pending=_unique(table, "pending", lambda entry: _pending(entry, context)),
    )
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
    clause = Clause(*_common(table, context))
    table.finish(_CLAUSE_KEYS)
    return clause


def _veto(table: Table, context: Context) -> VetoRule:
    veto = VetoRule(*_common(table, context), cap=table.choice("cap", ("C", "D")))
    table.finish((*_CLAUSE_KEYS, "cap"))
    return veto


def _pending(table: Table, context: Context) -> PendingRule:
    rule = PendingRule(*_common(table, context), schemes=table.texts("schemes"))
    table.finish((*_CLAUSE_KEYS, "schemes"))
    return rule
