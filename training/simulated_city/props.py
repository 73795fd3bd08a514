"""The props of a planted case's script: quiet standing, accidents, penalties, persons."""

from typing import Any

from credit_service.legal_days import add_months
from training.simulated_city.accidents import accident_penalty, aggravate, record_accident
from training.simulated_city.clerk import Record, text_of
from training.simulated_city.codes import person_code
from training.simulated_city.firm import Life
from training.simulated_city.oversight import inspect
from training.simulated_city.penalties import decide, sentence
from training.simulated_city.standing import license_from, open_to_the_public, registration
from training.simulated_city.world import Domain, Offence


def quiet(life: Life, is_licensed: bool) -> None:
    """Registers the subject with all it must hold, and lets it be visited once, clean."""
    firm, work = life.firm, life.world.work
    day = max(life.clerk.first_day, firm.founded_day)
    life.clerk.publish(life.open(work, "REG", day), day + 10, **registration(life))
    if firm.trade.licence and is_licensed:
        valid_licence(life, work, firm.trade.licence)
    if firm.trade.is_crowded:
        open_to_the_public(life)
    if firm.trade.is_compulsory:
        insured(life, work)
    if firm.founded_day < ago(life, 12):
        inspect(life, work, ago(life, 7, life.dice.whole(0, 20)), "RANDOM", "CLEAN")


def ago(life: Life, months: int, days: int = 0) -> int:
    """Returns the day so many months and days before the last one."""
    return add_months(life.clerk.until, -months) - days


def valid_licence(life: Life, domain: Domain, licence_type: str, *, left_months: int = 14) -> Record:
    """Gives a three-year licence with so many months left; a negative number has run out."""
    end = add_months(life.clerk.until, left_months)
    start = max(life.firm.founded_day, add_months(end, -36))
    record = license_from(life, domain, licence_type, start)
    life.clerk.publish(record, max(start, life.clerk.first_day) + 7, to_date=text_of(end))
    return record


def insured(life: Life, domain: Domain) -> Record:
    """Insures the subject for the current year."""
    start = max(life.firm.founded_day, ago(life, 5))
    record = life.open(domain, "POL", start)
    terms = {"from_date": text_of(start), "to_date": text_of(add_months(start, 12) - 1)}
    limit = life.world.standing["person_limits_yuan"][1] * 100
    heads = life.firm.headcount
    life.clerk.publish(record, start + 3, **terms, per_person_limit_fen=limit, covered_headcount=heads)
    return record


def accident(life: Life, day: int, deaths: int, *, liable_after: int = 90, **payload: Any) -> Record:
    """Writes an accident, known the next day, liable so many days later (0: open)."""
    domain = payload.pop("domain", life.world.work)
    record = record_accident(life, domain, day, "FIRE" if domain.name == "FIRE" else "WORK")
    loss = (deaths * 90 + 40) * 10_000 * 100
    facts = {
        "deaths": deaths,
        "serious_injuries": 1,
        "direct_loss_fen": loss,
        "concealment": "NONE",
    }
    life.clerk.publish(record, day + 1, **facts, liability="UNKNOWN", cause="违章操作")
    if liable_after:
        life.clerk.publish(record, day + liable_after, liability="LIABLE", **payload)
    return record


def punish(life: Life, harm: Record, day: int, level: str, *, multiplier: int = 0) -> Record:
    """Writes the emergency department's penalty for an accident of this level."""
    low, high = life.world.accidents["fines_yuan"][level]
    penalty = accident_penalty(life, life.world.work, harm, day, (low, high))
    if multiplier:
        aggravate(life, harm, penalty, day, multiplier)
    life.clerk.publish(penalty, day + 5)
    return penalty


def fine(life: Life, domain: Domain, day: int, offence: Offence, severity: str = "SERIOUS") -> Record:
    """Writes a penalty for this offence, published after five days."""
    record = decide(life, domain, day, offence)
    record.payload |= sentence(life, record, severity, offence)
    life.clerk.publish(record, day + 5)
    return record


def offence_of(domain: Domain, group: str, number: int = 0) -> Offence:
    """Finds an offence of the catalogue."""
    return domain.offences[group][number]


def person_of(life: Life) -> dict[str, str]:
    """Returns the simulated person of a case, as events name it."""
    code = person_code(life.seed, life.firm.index)
    return {
        "scheme": "PERSON",
        "code": code,
        "name": f"模拟人员{life.firm.index:04d}",
        "kind": "PERSON",
    }
