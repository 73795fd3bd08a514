"""Dishonest conduct outside accidents: false reports and commitments, and bans."""

from credit_service.legal_days import add_months
from training.simulated_city.clerk import Record, text_of
from training.simulated_city.firm import Life
from training.simulated_city.penalties import penalise
from training.simulated_city.world import Domain


def cheat(life: Life) -> None:
    """Lets a few subjects be found out cheating."""
    rates, dice = life.world.conduct, life.dice
    is_body = life.firm.trade.is_institution
    per_year = rates["institution_fraud" if is_body else "false_commitment"]
    for day in life.happenings(per_year, rates["fraud_culture"]):
        domain = life.world.fire if dice.chance(0.3) else life.world.work
        if is_body:
            false_report(life, domain, day)
        else:
            penalty = penalise(life, domain, day + dice.whole(5, 40), "SERIOUS")
            fraud = life.open(domain, "FRAUD", day, refers_to=penalty)
            life.clerk.report(fraud, fraud_kind="FALSE_COMMITMENT")


def false_report(life: Life, domain: Domain, day: int) -> Record:
    """Writes a service body's false report with its penalty and, often, its ban."""
    dice = life.dice
    decided = day + dice.whole(5, 40)
    penalty = penalise(life, domain, decided, "FALSE_REPORT", severity="SERIOUS")
    fraud = life.open(domain, "FRAUD", day, refers_to=penalty)
    life.clerk.report(fraud, fraud_kind=dice.one_of(("FALSE_REPORT", "QUALIFICATION_LENT", "AFFILIATION")))
    if dice.chance(0.6):
        ban(life, domain, decided, refers_to=penalty)
    return penalty


def ban(life: Life, domain: Domain, day: int, *, refers_to: Record | None = None) -> Record:
    """Bans the subject for the usual years from this day."""
    document = life.document(f"{domain.mark}禁", day)
    record = life.open(domain, "BAN", day, refers_to=refers_to, document_no=document)
    until = text_of(add_months(day, 12 * life.world.conduct["ban_years"]))
    life.clerk.report(record, until_date=until, is_lifetime=False)
    return record
