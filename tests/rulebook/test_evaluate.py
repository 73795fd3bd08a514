"""Evaluation beyond the cases: order of facts, language, kinds that are absent."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

from credit_service.arrays import NEVER
from credit_service.ledger.fact import Fact
from credit_service.legal_days import parse_day
from credit_service.rulebook.condition import Cites
from credit_service.rulebook.edition import load_edition
from credit_service.rulebook.evaluate import evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.review import next_change_day
from credit_service.rulebook.vetoes import hard_record, vetoes
from credit_service.rulebook.view import View

DAY = parse_day("2026-06-01")


def test_last_registration_counts_in_whatever_order_facts_arrive(cn: Edition, a_fact: Callable[..., Fact]) -> None:
    facts = [
        a_fact(1, "REG", "2015-01-01", sectors=["OTHER"]),
        a_fact(2, "REG", "2020-01-01", sectors=["CHEMICAL"]),
        a_fact(3, "PEN", "2026-05-01", organ_kind="EMERGENCY_MANAGEMENT", severity="SERIOUS"),
    ]
    for order in (facts, facts[::-1]):
        (finding,) = evaluate(View(cn, order, [NEVER] * 3, DAY))
        assert (finding.rule_id, finding.event_ids, finding.scope_event_ids) == ("B-09", (3,), (2,))


def test_equals_are_proven_by_the_same_records_in_whatever_order_they_arrived(
    cn: Edition, a_fact: Callable[..., Fact]
) -> None:
    told, proofs = [("A", "2026-02-10"), ("B", "2026-05-01"), ("C", "2026-05-01"), ("D", "2026-05-01")], set()
    for order in permutations(told):
        facts = [
            a_fact(n, "ACC", day, name=name, level="GENERAL", deaths=1, liability="LIABLE")
            for n, (name, day) in enumerate(order, 1)
        ]
        names = {fact.event_id: fact.record_id for fact in facts}
        found = evaluate(View(cn, facts, [NEVER] * 4, DAY))
        proofs.add(tuple((f.rule_id, tuple(sorted(names[n] for n in f.event_ids))) for f in found))
    assert proofs == {(("W-01", ("A", "B")), ("W-01", ("B", "C")), ("W-01", ("C", "D")))}


def test_finding_speaks_both_languages(cn: Edition, a_fact: Callable[..., Fact]) -> None:
    facts = [a_fact(1, "ACC", "2026-05-01", level="LARGER", deaths=3)]
    (finding,) = evaluate(View(cn, facts, [NEVER], DAY))
    assert finding.text_zh.startswith("内部关注")
    assert finding.text_en.startswith("Internal watch")


def test_veto_carries_its_legal_basis(cn: Edition) -> None:
    (veto,) = vetoes(View(cn, [], [], DAY, ("BLACK",)))
    assert (veto.id, veto.cap, veto.event_ids, veto.until_day) == ("V-01", "D", (), None)
    assert veto.basis.text_zh == "《本系统默认规则》"


def test_subject_without_facts_has_no_findings_and_no_hard_record(cn: Edition, tw: Edition) -> None:
    for edition in (cn, tw):
        assert evaluate(View(edition, [], [], DAY), edition.schemes[0]) == []
        assert vetoes(View(edition, [], [], DAY)) == []
        assert hard_record(View(edition, [], [], DAY)) == ()


def test_foreign_reference_of_another_source_proves_nothing_here(cn: Edition, a_fact: Callable[..., Fact]) -> None:
    """Two sources may use the same record id; a reference is always qualified by its source."""
    facts = [
        a_fact(1, "REG", "2015-01-01", sectors=["CHEMICAL"]),
        a_fact(2, "ACC", "2026-05-01", name="R-7", level="MAJOR", liability="LIABLE"),
        a_fact(3, "PEN", "2026-05-10", organ_kind="EMERGENCY_MANAGEMENT"),
    ]
    other = facts[2]._replace(refers_to="elsewhere/R-7")
    assert evaluate(View(cn, [*facts[:2], other], [NEVER] * 3, DAY)) == []


def test_citation_covers_the_parts_of_an_article_and_no_other_article() -> None:
    cites = Cites("articles", "安全生产法/11")
    assert cites.holds({"articles": ["x", "安全生产法/11/2"]})
    assert not cites.holds({"articles": ["安全生产法/110", "安全生产法"]})
    assert not cites.holds({})


def test_count_looking_back_stands_as_long_as_the_last_penalties_do(
    write_edition: Callable[..., Path], a_fact: Callable[..., Fact]
) -> None:
    when = 'when = { count = "ACC", penalised = {}, at_least = 2, since = "P24M" }'
    edition = load_edition(write_edition(('when = { listed = "BLACK" }', when)))
    facts = [
        a_fact(1, "ACC", "2026-01-01", name="one"),
        a_fact(2, "PEN", "2026-04-01", refers_to="one"),
        a_fact(3, "PEN", "2026-02-01", refers_to="one"),
        a_fact(4, "ACC", "2026-01-05", name="two"),
        a_fact(5, "PEN", "2026-03-01", refers_to="two"),
    ]
    usable = [NEVER, parse_day("2026-08-01"), NEVER, NEVER, NEVER]
    (veto,) = vetoes(View(edition, facts, usable, DAY))
    assert (veto.event_ids, veto.until_day) == ((1, 3, 4, 5), parse_day("2028-02-01"))
    assert vetoes(View(edition, facts[:3], [NEVER] * 3, DAY)) == []


def test_end_of_a_scope_is_a_day_of_change(write_edition: Callable[..., Path], a_fact: Callable[..., Fact]) -> None:
    scope = (
        'fact = "REG"\nlatest = true\nwhere.sectors.has = ["CHEMICAL"]',
        'fact = "ORD"\nstate = "ON"',
    )
    state = ("[states.OPEN]", '[states.ON]\nkind = "ORD"\nuntil = ["lifted_date"]\n[states.OPEN]')
    edition = load_edition(write_edition(state, scope))
    order = a_fact(1, "ORD", "2026-05-01", lifted_date="2026-07-01")
    assert next_change_day(View(edition, [order], [NEVER], DAY)) == parse_day("2026-07-01")
