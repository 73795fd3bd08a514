"""What a subject holds: registration, licences, standards, policies, promises, honours."""

from math import log

from credit_service.legal_days import add_months
from training.simulated_city.clerk import Record, text_of
from training.simulated_city.dice import sigmoid
from training.simulated_city.firm import Life, new_name
from training.simulated_city.penalties import penalise
from training.simulated_city.world import Domain

_FIRE_CHECK = "公众聚集场所投入使用、营业前消防安全检查合格证"


def settle(life: Life) -> None:
    """Writes all that the subject holds over its years."""
    register(life)
    work, fire, trade = life.world.work, life.world.fire, life.firm.trade
    if trade.licence:
        licences(life, work, trade.licence)
    if trade.is_crowded:
        open_to_the_public(life)
    standardize(life)
    insure(life)
    promise(life, work, life.world.standing["commitment"])
    if trade.is_crowded:
        promise(life, fire, life.world.standing["fire_commitment"])
    praise(life)


def register(life: Life) -> None:
    """Writes the registration and, for some, a later change of it."""
    firm, dice, registry = life.firm, life.dice, life.world.registry
    day = max(life.clerk.first_day, firm.founded_day)
    notice = day + dice.whole(*registry["publish_days"])
    life.clerk.publish(life.open(life.world.work, "REG", day), notice, **registration(life))
    if firm.trade.is_crowded and firm.headcount >= 50 and dice.chance(life.world.standing["fire_key_unit"]):
        record = life.open(life.world.fire, "REG", day)
        life.clerk.publish(record, notice + dice.whole(1, 30), **registration(life))
    for change in ("renamed", "regrown", "suspended", "closed"):
        if dice.chance(registry[change]) and life.last_day - life.first_day > 120:
            _change(life, change, dice.whole(life.first_day + 60, life.last_day - 30))


def registration(life: Life) -> dict[str, object]:
    """Returns the register's payload of the subject."""
    firm = life.firm
    return {
        "name": firm.name,
        "industry_code": firm.trade.industry_code,
        "registered_region": firm.district.code,
        "operating_region": firm.operating.code,
        "supervising_region": firm.operating.code,
        "headcount": firm.headcount,
        "founded_date": text_of(firm.founded_day),
        "status": "ACTIVE",
        "sectors": list(firm.trade.sectors),
    }


def licences(life: Life, domain: Domain, licence_type: str) -> None:
    """Renews the mandatory licence every three years; the careless let it lapse."""
    standing, dice = life.world.standing, life.dice
    start = granted = max(life.firm.founded_day, life.clerk.first_day - dice.whole(1, 1000))
    while granted < life.last_day:
        end = add_months(start, 36) - 1
        record = license_from(life, domain, licence_type, start, granted=granted)
        life.clerk.publish(record, max(granted, life.clerk.first_day) + dice.whole(1, 9), to_date=text_of(end))
        odds = standing["licence_lapse"] + standing["licence_lapse_culture"] * life.culture_on(end)
        gap = dice.whole(15, 400) if dice.chance(sigmoid(odds)) else 0
        if gap and dice.chance(standing["licence_caught"]):
            _caught(life, domain, licence_type, end + dice.whole(5, gap + 10))
        start = end + 1 + gap
        # A careful holder has the next licence granted, and known, before this one ends.
        granted = start if gap else end - dice.whole(15, 60)


def license_from(life: Life, domain: Domain, licence_type: str, start: int, *, granted: int | None = None) -> Record:
    """Opens a licence that is valid from this day and was granted then, or before."""
    granted = start if granted is None else granted
    document = life.document(f"{domain.mark}许", granted)
    record = life.open(domain, "LIC", granted, document_no=document)
    record.payload = {
        "licence_type": licence_type,
        "is_mandatory": True,
        "from_date": text_of(start),
        "status": "VALID",
    }
    return record


def open_to_the_public(life: Life) -> None:
    """Gives a place of public gathering its fire check certificate, which has no term."""
    if life.firm.headcount < 10 or life.dice.chance(0.04):
        return
    start = max(life.firm.founded_day, life.clerk.first_day - life.dice.whole(1, 900))
    life.clerk.report(license_from(life, life.world.fire, _FIRE_CHECK, start))


def standardize(life: Life) -> None:
    """Certifies careful subjects at level 1, 2 or 3 for three years at a time."""
    standing, dice, trade = life.world.standing, life.dice, life.firm.trade
    odds = standing["standardized"] + standing["standardized_hazard"] * log(trade.hazard)
    if dice.chance(sigmoid(odds + standing["standardized_culture"] * life.culture)):
        level = 1 if life.firm.headcount > 200 and dice.chance(0.15) else 2 if dice.chance(0.15) else 3
        _standards(life, life.world.work, level)
    if trade.is_crowded and dice.chance(standing["fire_standardized"]):
        _standards(life, life.world.fire, 3)


def _standards(life: Life, domain: Domain, level: int) -> None:
    standing, dice = life.world.standing, life.dice
    start = max(life.first_day + 100 - dice.whole(0, 1000), life.firm.founded_day + 180)
    while start < life.last_day:
        end = add_months(start, 12 * standing["standard_years"]) - 1
        record = life.open(domain, "STD", start)
        life.clerk.report(record, level=level, from_date=text_of(start), to_date=text_of(end))
        life.standards.append(record)
        if not dice.chance(standing["standard_renewed"]):
            return
        start = end + 1


def insure(life: Life) -> None:
    """Insures the subject by the year, with services and small claims meanwhile."""
    standing, dice, trade = life.world.standing, life.dice, life.firm.trade
    share = standing["insured_compulsory"] if trade.is_compulsory else standing["insured_free"]
    if dice.chance(share):
        _policies(life, life.world.work, standing["service_per_year"])
    if trade.is_crowded and dice.chance(standing["fire_insured"]):
        _policies(life, life.world.fire, standing["fire_service_per_year"])


def _policies(life: Life, domain: Domain, services: float) -> None:
    standing, dice, firm = life.world.standing, life.dice, life.firm
    limit = dice.one_of(standing["person_limits_yuan"]) * 100
    heads = firm.headcount
    if dice.chance(standing["short_cover"]):
        heads = max(1, int(heads * 0.7))
    start = life.first_day - dice.whole(0, 364)
    start = max(start, firm.founded_day + 10)
    while start < life.last_day:
        end = add_months(start, 12)
        record = life.open(domain, "POL", start)
        terms = {"from_date": text_of(start), "to_date": text_of(end - 1)}
        notice = max(start, life.clerk.first_day) + dice.whole(0, 2)
        life.clerk.publish(record, notice, **terms, per_person_limit_fen=limit, covered_headcount=heads)
        life.covers.append((start, end, domain))
        start = end + (dice.whole(10, 120) if dice.chance(0.02) else 0)
    _services(life, domain, services)
    for day in life.happenings(standing["small_claim_per_year"] * life.exposure, 0.5):
        if life.is_covered(day, domain):
            claim(life, domain, day, dice.whole(2, 60) * 100_000)


def _services(life: Life, domain: Domain, per_year: float) -> None:
    dice = life.dice
    for day in life.happenings(per_year, life.world.standing["service_culture"]):
        if life.is_covered(day, domain):
            what = dice.one_of(("风险评估", "隐患排查", "安全培训", "应急演练"))
            life.clerk.report(life.open(domain, "SVC", day), service_type=what, hours=dice.whole(2, 16) / 2)


def claim(life: Life, domain: Domain, day: int, loss_fen: int, accident: Record | None = None) -> None:
    """Writes a loss under the policy, and what was paid once it was."""
    record = life.open(domain, "CLM", day, refers_to=accident)
    notice = life.clerk.notice(day) + 20
    life.clerk.publish(record, notice, loss_fen=loss_fen)
    paid = loss_fen * life.dice.whole(60, 100) // 100
    life.clerk.publish(record, notice + life.dice.whole(20, 120), paid_fen=paid)


def promise(life: Life, domain: Domain, share: float) -> None:
    """Lets some subjects make a public commitment, later found kept or broken."""
    dice = life.dice
    if not dice.chance(share) or life.last_day - life.first_day < 60:
        return
    day = dice.whole(life.first_day, life.last_day - 30)
    made = life.open(domain, "COM", day)
    text = "承诺落实消防安全主体责任" if domain.name == "FIRE" else "承诺落实安全生产主体责任"
    life.clerk.report(made, status="MADE", text=text)
    later = day + dice.whole(120, 500)
    if later <= life.last_day:
        broken = sigmoid(life.world.standing["commitment_broken"] + life.culture_on(later))
        status = "BROKEN" if dice.chance(broken) else "KEPT"
        life.clerk.report(life.open(domain, "COM", later, refers_to=made), status=status)


def praise(life: Life) -> None:
    """Honours careful subjects now and then."""
    standing, dice = life.world.standing, life.dice
    for day in life.happenings(standing["honour_per_year"] * life.exposure, standing["honour_culture"]):
        domain = life.world.fire if dice.chance(0.2) else life.world.work
        level = "PROVINCE" if dice.chance(0.15) else "CITY" if dice.chance(0.4) else "COUNTY"
        organ = domain.organ.format(district=life.firm.operating.name)
        life.clerk.report(life.open(domain, "HON", day), level=level, organ_name=organ)


def _change(life: Life, change: str, day: int) -> None:
    if day > life.last_day:
        return
    firm, clerk = life.firm, life.clerk
    record = life.open(life.world.work, "REG", day)
    payload = registration(life)
    notice = clerk.notice(day)
    if change == "renamed":
        payload["name"] = new_name(life.dice, firm.trade, firm.headcount, firm.kind)
        clerk.renamed = (notice, str(payload["name"]))
    elif change == "regrown":
        payload["headcount"] = max(1, firm.headcount * life.dice.whole(50, 180) // 100)
    else:
        payload["status"] = change.upper()
        life.close(day)
    clerk.publish(record, notice, **payload)


def _caught(life: Life, domain: Domain, licence_type: str, day: int) -> None:
    if day > life.last_day:
        return
    penalty = penalise(life, domain, day, "UNLICENSED", severity="SERIOUS")
    record = life.open(domain, "LICV", day, refers_to=penalty)
    life.clerk.report(record, licence_type=licence_type, violation="UNLICENSED")
