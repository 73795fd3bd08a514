"""What holds for every set of facts: order, proof, clean records, repair, next day of change."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from credit_service.arrays import NEVER
from credit_service.ledger.fact import Fact
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.evaluate import Finding, evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.review import next_change_day
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import a_conditions, hard_record, pending, vetoes
from credit_service.rulebook.view import View

FIRST, LAST = parse_day("2026-04-01"), parse_day("2031-12-31")
DAYS = st.integers(FIRST, LAST)
DATES = DAYS.map(day_text)
SETTINGS = settings(max_examples=80, deadline=None)

EM = st.sampled_from(["EMERGENCY_MANAGEMENT", "OTHER"])
PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "ACC": st.fixed_dictionaries(
        {},
        optional={
            "level": st.sampled_from(["EXTRA", "MAJOR", "LARGER", "GENERAL"]),
            "deaths": st.integers(0, 3),
            "liability": st.sampled_from(["LIABLE", "LIABLE", "UNKNOWN", "NOT_LIABLE"]),
            "concealment": st.sampled_from(["NONE", "CONCEALED", "LATE"]),
            "fine_multiplier": st.sampled_from([2, 3.5, 5]),
        },
    ),
    "PEN": st.fixed_dictionaries(
        {"organ_kind": EM},
        optional={
            "severity": st.sampled_from(["MINOR", "GENERAL", "SERIOUS"]),
            "articles": st.sampled_from([["安全生产法/114/2"], ["安全生产法/92/2"], ["x"]]),
            "status": st.sampled_from(["IN_FORCE", "IN_FORCE", "REVOKED", "STAYED"]),
            "publicity_end_date": DATES,
            "fire_matter": st.sampled_from(["HAZARD_NOT_RECTIFIED", "REFUSED_CORRECTION"]),
        },
    ),
    "LICV": st.fixed_dictionaries({"licence_type": st.sampled_from("xy"), "violation": st.just("UNLICENSED")}),
    "FRAUD": st.fixed_dictionaries({"fraud_kind": st.just("FALSE_REPORT")}),
    "NONEXEC": st.fixed_dictionaries({"is_able_to_perform": st.booleans()}),
    "HAZ": st.fixed_dictionaries(
        {"hazard_level": st.just("MAJOR")},
        optional={
            "due_date": DATES,
            "extended_due_date": DATES,
            "closed_date": DATES,
            "is_supervised": st.booleans(),
        },
    ),
    "LIC": st.fixed_dictionaries(
        {
            "licence_type": st.sampled_from(["x", "y", "危险化学品经营许可证"]),
            "is_mandatory": st.booleans(),
            "from_date": DATES,
        },
        optional={"to_date": DATES, "status": st.sampled_from(["VALID", "SUSPENDED"])},
    ),
    "ORD": st.fixed_dictionaries(
        {"order_kind": st.sampled_from(["RECTIFY", "STOP_WORK", "CLOSE"]), "from_date": DATES},
        optional={"lifted_date": DATES},
    ),
    "REP": st.fixed_dictionaries({"decision_date": DATES}),
    "REG": st.fixed_dictionaries(
        {"sectors": st.sampled_from([["CHEMICAL"], ["SAFETY_SERVICE"], ["OTHER"]])},
        optional={"founded_date": DATES},
    ),
    "STD": st.fixed_dictionaries(
        {"level": st.integers(1, 3), "from_date": DATES, "to_date": DATES},
        optional={"revoked_date": DATES},
    ),
    "COM": st.fixed_dictionaries({"status": st.sampled_from(["MADE", "KEPT", "BROKEN"])}),
}
CLEAN: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "INS": st.just({"result": "CLEAN"}),
    "HON": st.just({"level": "CITY"}),
    "POL": st.just({"from_date": "2026-01-01", "to_date": "2031-12-31"}),
    "SVC": st.just({"service_type": "training"}),
    "STD": PAYLOADS["STD"],
    "COM": PAYLOADS["COM"],
}


def _fact(kinds: dict[str, st.SearchStrategy[dict[str, Any]]]) -> st.SearchStrategy[Fact]:
    return st.sampled_from(sorted(kinds)).flatmap(lambda kind: _fact_of(kind, kinds[kind]))


def _fact_of(kind: str, payloads: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Fact]:
    names = st.sampled_from([f"s/R{n}" for n in range(9)])
    return st.builds(
        Fact,
        event_id=st.just(0),
        source=st.just("s"),
        record_id=st.just(""),
        version=st.just(1),
        kind=st.just(kind),
        domain=st.sampled_from(["WORK", "WORK", "FIRE"]),
        day=DAYS,
        known_day=st.just(LAST),
        document_no=st.just(""),
        refers_to=names if kind == "REP" else st.none() | names,
        payload=payloads,
    )


def _numbered(facts: list[Fact]) -> list[Fact]:
    return [fact._replace(event_id=n, record_id=f"R{n}") for n, fact in enumerate(facts)]


FACTS = st.lists(_fact(PAYLOADS), max_size=9).map(_numbered)
Outcome = tuple[Any, ...]


def _findings(edition: Edition, facts: list[Fact], day: int) -> list[Finding]:
    return evaluate(View(edition, facts, unusable_from(edition, facts), day))


def _outcome(edition: Edition, facts: list[Fact], day: int) -> Outcome:
    usable = unusable_from(edition, facts)
    scheme = edition.schemes[0]
    return (
        tuple(f for f in evaluate(View(edition, facts, usable, day), scheme)),
        tuple(vetoes(View(edition, facts, usable, day))),
        hard_record(View(edition, facts, usable, day)),
        tuple(a_conditions(View(edition, facts, usable, day))),
        pending(View(edition, facts, usable, day), scheme),
    )


@SETTINGS
@given(FACTS, DAYS, st.randoms(use_true_random=False))
def test_order_of_facts_does_not_matter(cn: Edition, facts: list[Fact], day: int, random: Any) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)
    assert _outcome(cn, shuffled, day) == _outcome(cn, facts, day) == _outcome(cn, facts, day)


@SETTINGS
@given(FACTS, DAYS)
def test_removing_any_event_of_a_proof_removes_the_finding(cn: Edition, facts: list[Fact], day: int) -> None:
    for finding in _findings(cn, facts, day):
        assert finding.event_ids or finding.list == "RED"
        for event_id in finding.event_ids:
            left = [fact for fact in facts if fact.event_id != event_id]
            kept = {(f.rule_id, f.event_ids) for f in _findings(cn, left, day)}
            assert (finding.rule_id, finding.event_ids) not in kept


@SETTINGS
@given(FACTS, DAYS, _fact(CLEAN))
def test_a_clean_fact_never_adds_a_blacklist_finding_nor_a_veto(
    cn: Edition, facts: list[Fact], day: int, clean: Fact
) -> None:
    more = [*facts, clean._replace(event_id=99, record_id="R99", refers_to=None)]
    black = [f for f in _findings(cn, facts, day) if f.list == "BLACK"]
    assert [f for f in _findings(cn, more, day) if f.list == "BLACK"] == black
    assert vetoes(View(cn, more, unusable_from(cn, more), day)) == vetoes(
        View(cn, facts, unusable_from(cn, facts), day)
    )


@SETTINGS
@given(FACTS, DAYS)
def test_findings_rest_on_facts_that_had_happened_and_may_be_used(cn: Edition, facts: list[Fact], day: int) -> None:
    ends = dict(zip((f.event_id for f in facts), unusable_from(cn, facts), strict=True))
    for finding in _findings(cn, facts, day):
        assert finding.found_day <= day
        assert finding.until_day is None or day < finding.until_day
        proof = [fact for fact in facts if fact.event_id in finding.event_ids]
        assert all(fact.day <= day for fact in proof)
        is_statutory = finding.rule_id in ("W-01", "X-01")
        assert is_statutory or all(day < ends[fact.event_id] for fact in proof)


@SETTINGS
@given(FACTS, DAYS, st.data())
def test_a_repair_never_adds_a_veto_or_a_blacklist_finding(cn: Edition, facts: list[Fact], day: int, data: Any) -> None:
    penalties = [fact for fact in facts if fact.kind == "PEN"]
    if not penalties:
        return
    named = data.draw(st.sampled_from(penalties))
    date = {"decision_date": day_text(day)}
    repair = named._replace(
        event_id=99,
        record_id="R99",
        kind="REP",
        day=day,
        refers_to=f"s/{named.record_id}",
        payload=date,
    )
    before, after = (
        {v.id: v.until_day or NEVER for v in vetoes(View(cn, some, unusable_from(cn, some), day))}
        for some in (facts, [*facts, repair])
    )
    assert all(veto in before and until <= before[veto] for veto, until in after.items())
    rules = {f.rule_id for f in _findings(cn, facts, day) if f.list == "BLACK"}
    assert {f.rule_id for f in _findings(cn, [*facts, repair], day) if f.list == "BLACK"} <= rules


@SETTINGS
@given(
    FACTS,
    DAYS,
    _fact({kind: PAYLOADS[kind] for kind in ("ACC", "PEN", "HAZ", "ORD")}),
    st.booleans(),
)
def test_an_adverse_fact_never_lifts_a_veto_nor_meets_a_condition_for_a(
    cn: Edition, facts: list[Fact], day: int, adverse: Fact, is_linked: bool
) -> None:
    target = next((f"s/{f.record_id}" for f in facts if f.kind == "ACC"), None) if is_linked else None
    added = adverse._replace(event_id=99, record_id="R99", refers_to=target)
    if any(fact.kind == "REP" for fact in facts):
        return
    few, more = (_outcome(cn, some, day) for some in (facts, [*facts, added]))
    caps = {veto.id: veto.until_day or NEVER for veto in more[1]}
    assert all(veto.id in caps and (veto.until_day or NEVER) <= caps[veto.id] for veto in few[1])
    assert set(few[2]) <= set(more[2])
    assert {statement.id for statement in few[3]} <= {statement.id for statement in more[3]}


# Words of a field from the mildest to the gravest.
GRAVER: dict[tuple[str, str], list[Any]] = {
    ("ACC", "level"): ["GENERAL", "LARGER", "MAJOR", "EXTRA"],
    ("ACC", "liability"): ["NOT_LIABLE", "UNKNOWN", "LIABLE"],
    ("ACC", "concealment"): ["NONE", "LATE", "CONCEALED"],
    ("ACC", "deaths"): [0, 1, 2, 3],
    ("PEN", "severity"): ["MINOR", "GENERAL", "SERIOUS"],
    ("PEN", "status"): ["REVOKED", "STAYED", "IN_FORCE"],
    ("ORD", "order_kind"): ["RECTIFY", "STOP_WORK", "CLOSE"],
    ("LIC", "status"): ["VALID", "SUSPENDED", "REVOKED"],
    ("HAZ", "is_supervised"): [False, True],
    ("COM", "status"): ["MADE", "KEPT", "BROKEN"],
}


def _graver(fact: Fact) -> list[Fact]:
    """Returns the same fact with one field one word graver, once for every such field."""
    steps = [
        (name, words[words.index(fact.payload[name]) + 1])
        for (kind, name), words in GRAVER.items()
        if kind == fact.kind and name in fact.payload and fact.payload[name] != words[-1]
    ]
    return [fact._replace(payload={**fact.payload, name: word}) for name, word in steps]


def _caps(outcome: Outcome) -> dict[str, int]:
    """Returns until when, at least, no grade better than each letter is possible."""
    found: dict[str, int] = {}
    for veto in outcome[1]:
        for letter in "BCD"[: "BCD".index(veto.cap) + 1]:
            found[letter] = max(found.get(letter, 0), veto.until_day or NEVER)
    return found


@settings(max_examples=400, deadline=None)
@given(FACTS, DAYS, st.integers(0, 99))
def test_a_graver_fact_never_lifts_a_cap_nor_meets_a_condition_for_a(
    cn: Edition, facts: list[Fact], day: int, choice: int
) -> None:
    turned = [(place, graver) for place, fact in enumerate(facts) for graver in _graver(fact)]
    if not turned:
        return
    place, graver = turned[choice % len(turned)]
    mild, grave = (_outcome(cn, some, day) for some in (facts, [*facts[:place], graver, *facts[place + 1 :]]))
    before, after = _caps(mild), _caps(grave)
    assert all(after.get(letter, 0) >= until for letter, until in before.items())
    assert set(mild[2]) <= set(grave[2])
    assert {statement.id for statement in mild[3]} <= {statement.id for statement in grave[3]}


@SETTINGS
@given(FACTS, DAYS, st.data())
def test_nothing_changes_before_the_next_day_of_change(cn: Edition, facts: list[Fact], day: int, data: Any) -> None:
    facts = [fact for fact in facts if fact.day <= day]
    change = next_change_day(View(cn, facts, unusable_from(cn, facts), day))
    assert change is None or change > day
    last = LAST + 2000 if change is None else change - 1
    for later in {day + 1, last, data.draw(st.integers(day, last))} - {last + 1}:
        assert _outcome(cn, facts, later) == _outcome(cn, facts, day)


@SETTINGS
@given(FACTS, DAYS)
def test_foreign_edition_never_finds_and_never_meets_a_by_adverse_facts(
    tw: Edition, facts: list[Fact], day: int
) -> None:
    adverse = [fact for fact in facts if fact.kind in ("PEN", "ACC")]
    findings, caps, _, unmet, _ = _outcome(tw, adverse, day)
    assert findings == ()
    assert all(veto.cap == "C" for veto in caps)
    assert "A-01" in {statement.id for statement in unmet}
