"""Accidents and what follows: restated casualties, liability, penalties, claims, prosecution."""

from training.simulated_city.clerk import Record, text_of
from training.simulated_city.firm import Life
from training.simulated_city.penalties import basis_text, decide, fine_fen, penalise, sentence
from training.simulated_city.standing import claim
from training.simulated_city.world import Domain

_DAY_MINUTES = 24 * 60


def suffer(life: Life, domain: Domain) -> None:
    """Lets accidents happen; small units do not report all of the light ones."""
    rate = domain.accident * domain.danger(life.firm.trade) * life.exposure
    for day in life.happenings(rate, domain.accident_culture):
        level = life.dice.weighted(life.world.levels)
        deaths = _deaths(life, level)
        reported = life.world.accidents["reported_by_small"]
        if deaths or life.dice.chance(max(reported, min(1.0, life.firm.headcount / 50))):
            _accident(life, domain, day, level, deaths)


def record_accident(life: Life, domain: Domain, day: int, kind: str) -> Record:
    """Opens an accident at some minute of the day."""
    record = life.open(domain, "ACC", day)
    record.minute = life.dice.whole(0, _DAY_MINUTES - 1)
    record.payload = {"accident_kind": kind}
    return record


def accident_penalty(
    life: Life,
    domain: Domain,
    accident: Record,
    day: int,
    band_yuan: tuple[int, int],
    *,
    severity: str = "SERIOUS",
) -> Record:
    """Decides the penalty for an accident, with a fine of this band."""
    offence = domain.offences["ACCIDENT"][0]
    record = decide(life, domain, day, offence, refers_to=accident)
    record.payload |= sentence(life, record, severity, offence)
    record.payload |= {"fine_fen": fine_fen(life, band_yuan), "is_accident_related": True}
    return record


def _accident(life: Life, domain: Domain, day: int, level: str, deaths: int) -> None:
    dice, clerk, rates = life.dice, life.clerk, life.world.accidents
    record = record_accident(life, domain, day, _kind(life, domain))
    loss_yuan = deaths * rates["loss_per_death_yuan"] + dice.whole(1, 60) * 10_000
    counts = {"deaths": deaths, "serious_injuries": dice.whole(0 if deaths else 1, 3)}
    concealment = _concealment(life)
    is_hidden = concealment in ("CONCEALED", "OMITTED")
    first = day + (dice.whole(30, 150) if is_hidden else dice.whole(1, 4))
    rises = deaths > 0 and not is_hidden and dice.chance(rates["rises"][level])
    early = counts | {"deaths": rates["deaths"][level][0] - 1} if rises else counts
    cause = dice.one_of(rates["causes"])
    clerk.publish(record, first, **early, concealment=concealment, liability="UNKNOWN", cause=cause)
    if rises:
        clerk.publish(record, first + dice.whole(1, 3), **counts)
    investigated = first + dice.whole(60, 150)
    is_liable = concealment in ("CONCEALED", "MISREPORTED") or dice.chance(rates["liable"])
    finding = {"level": level, "liability": "LIABLE" if is_liable else "NOT_LIABLE"}
    clerk.publish(record, investigated, **finding, direct_loss_fen=loss_yuan * 100)
    if life.is_covered(day, domain):
        claim(life, domain, day, loss_yuan * 100, record)
    if is_liable:
        _answer_for(life, record, level, investigated)


def _answer_for(life: Life, accident: Record, level: str, investigated: int) -> None:
    dice, domain, rates = life.dice, accident.domain, life.world.accidents
    deaths = accident.payload["deaths"]
    day = investigated + dice.whole(10, 45)
    severity = "SERIOUS" if deaths else "GENERAL"
    if domain.name == "FIRE":
        penalise(life, domain, day, "ACCIDENT", severity=severity, refers_to=accident)
    if domain.name == "WORK" or level != "GENERAL":
        work = life.world.work
        band = tuple(rates["fines_yuan"][level])
        penalty = accident_penalty(life, work, accident, day, (band[0], band[1]), severity=severity)
        if deaths and dice.chance(rates["egregious"]):
            aggravate(life, accident, penalty, investigated + 1, dice.whole(2, 5))
        life.clerk.publish(penalty, life.clerk.notice(day))
    if deaths:
        _revoke_standards(life, investigated)
        if dice.chance(rates["criminal"]):
            prosecute(life, accident, investigated + dice.whole(5, 60))


def aggravate(life: Life, accident: Record, penalty: Record, day: int, multiplier: int) -> None:
    """Makes an accident especially serious: its fine is a multiple, under Art. 114 para. 2."""
    life.clerk.publish(accident, day, fine_multiplier=multiplier)
    penalty.payload["articles"] = ["安全生产法/114/2"]
    penalty.payload["fine_fen"] *= multiplier
    penalty.texts["legal_basis"] = basis_text("安全生产法/114/2")


def prosecute(life: Life, accident: Record, day: int) -> None:
    """Refers a case to the prosecution: referred, accepted, at last judged."""
    dice = life.dice
    document = life.document("刑移", day)
    record = life.open(accident.domain, "CRIM", day, refers_to=accident, document_no=document)
    notice = life.clerk.notice(day)
    life.clerk.publish(record, notice, stage="REFERRED")
    life.clerk.publish(record, notice + dice.whole(10, 40), stage="ACCEPTED")
    outcome = dice.one_of(("重大责任事故罪，判处缓刑", "不起诉"))
    life.clerk.publish(record, notice + dice.whole(120, 400), stage="JUDGED", outcome=outcome)


def _revoke_standards(life: Life, day: int) -> None:
    for record in life.standards:
        if record.payload and record.payload["from_date"] <= text_of(day) <= record.payload["to_date"]:
            life.clerk.publish(record, life.clerk.notice(day), revoked_date=text_of(day))


def _deaths(life: Life, level: str) -> int:
    dice, rates = life.dice, life.world.accidents
    low, high = rates["deaths"][level]
    if level == "GENERAL":
        return (2 if dice.chance(0.12) else 1) if dice.chance(rates["fatal"]) else 0
    return int(low + dice.unit() ** 3 * (high - low + 1))


def _kind(life: Life, domain: Domain) -> str:
    if domain.name == "FIRE":
        return "FIRE"
    is_road = "TRANSPORT" in life.firm.trade.sectors and life.dice.chance(0.7)
    return "ROAD" if is_road else "WORK"


def _concealment(life: Life) -> str:
    draw = life.dice.unit()
    for name, share in life.world.accidents["concealed"].items():
        if draw < share:
            return str(name)
        draw -= share
    return "NONE"
