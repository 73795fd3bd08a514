"""What every clause of an edition has: its id, condition, legal bases and texts, read strictly."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from credit_service.rulebook.condition import Condition, needs
from credit_service.rulebook.grammar import States, read_condition
from credit_service.rulebook.law import LegalBasis
from credit_service.rulebook.schema import Table

CLAUSE_KEYS = ("id", "when", "bases", "text_zh", "text_en")


class _Named(Protocol):
    @property
    def id(self) -> str: ...


AnyNamed = TypeVar("AnyNamed", bound=_Named)


class Instrument(NamedTuple):
    """Names a law, rule or policy and its rank."""

    name: str
    rank: str
    title_zh: str
    title_en: str
    # The first day of the text that is meant, 0 where it is not said.
    since_day: int = 0


class Common(NamedTuple):
    """Carries what every clause has, in the order of its fields."""

    id: str
    when: Condition
    needs: frozenset[int]
    bases: tuple[LegalBasis, ...]
    text_zh: str
    text_en: str


class Context(NamedTuple):
    """Carries what the clauses of an edition refer to by name."""

    instruments: Mapping[str, Instrument]
    states: States
    ranks: Mapping[str, tuple[str, ...]]
    scopes: Mapping[str, Condition]


def read_bases(table: Table, context: Context, roles: tuple[str, ...] = ()) -> tuple[LegalBasis, ...]:
    """Reads the legal bases, the founding one first; where there are roles, each article of law has one."""
    bases = tuple(_basis(entry, context, roles) for entry in table.tables("bases"))
    if not bases:
        table.refuse("bases", None, "at least one legal basis, the founding one first")
    return bases


def _basis(table: Table, context: Context, roles: tuple[str, ...]) -> LegalBasis:
    instrument = context.instruments[table.choice("instrument", context.instruments)]
    article = table.text("article", "-")
    source = table.choice("source", ("law", "verify", "default"))
    basis = LegalBasis(
        instrument=instrument.name,
        article=article,
        source=source,
        kind=instrument.rank,
        text_zh=f"《{instrument.title_zh}》" + ("" if article == "-" else f" {article}"),
        text_en=instrument.title_en + ("" if article == "-" else f", Art. {article}"),
        role=table.choice("role", roles) if roles and source != "default" else "",
        since_day=instrument.since_day,
    )
    table.finish(("instrument", "article", "source", "role"))
    return basis


def read_unique(table: Table, key: str, read: Callable[[Table], AnyNamed]) -> tuple[AnyNamed, ...]:
    """Reads a list of tables into values with different ids; absent means none."""
    clauses: dict[str, AnyNamed] = {}
    for entry in table.tables(key):
        clause = read(entry)
        if clause.id in clauses:
            entry.refuse("id", clause.id, "an id that no other entry has")
        clauses[clause.id] = clause
    return tuple(clauses.values())


def read_common(table: Table, context: Context) -> Common:
    """Reads what every clause has."""
    when = read_condition(table.table("when"), context.states)
    return Common(
        id=table.text("id"),
        when=when,
        needs=needs(when),
        bases=read_bases(table, context),
        text_zh=table.text("text_zh"),
        text_en=table.text("text_en"),
    )
