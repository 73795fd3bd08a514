"""Administrative penalties and what follows them: performance, repair, revocation, refusal."""

from credit_service.legal_days import add_months
from training.simulated_city.clerk import Record, text_of
from training.simulated_city.codes import organ_code
from training.simulated_city.firm import Life
from training.simulated_city.world import Domain, Offence

_FEN_PER_YUAN = 100


def penalise(
    life: Life,
    domain: Domain,
    day: int,
    group: str,
    *,
    severity: str = "",
    refers_to: Record | None = None,
) -> Record:
    """Decides a penalty for an offence of this group and writes what follows it over the years."""
    severity = severity or group
    offence = life.dice.one_of([o for o in domain.offences[group] if _fits(life, o)])
    record = decide(life, domain, day, offence, refers_to=refers_to)
    record.payload |= sentence(life, record, severity, offence)
    if group == "ACCIDENT":
        record.payload["is_accident_related"] = True
    life.clerk.publish(record, life.clerk.notice(day))
    _aftermath(life, record, severity)
    return record


def decide(life: Life, domain: Domain, day: int, offence: Offence, *, refers_to: Record | None = None) -> Record:
    """Opens a penalty decision with its document, basis and deciding organ."""
    document = life.document(f"{domain.mark}罚", day)
    texts = {"document_no": document, "legal_basis": basis_text(offence.article)}
    record = life.open(domain, "PEN", day, refers_to=refers_to, **texts)
    record.payload = {
        "articles": [offence.article],
        "penalty_types": list(offence.types),
        "organ_name": domain.organ.format(district=life.firm.operating.name),
        "organ_code": organ_code(domain.organ_mark, life.firm.operating.code),
        "organ_kind": domain.organ_kind,
        "status": "IN_FORCE",
        "facts": offence.facts,
    }
    if offence.fire_matter and life.firm.trade.is_crowded:
        record.payload["fire_matter"] = offence.fire_matter
    return record


def sentence(life: Life, record: Record, severity: str, offence: Offence) -> dict[str, object]:
    """Draws the weight of a penalty: procedure, fine, confiscation, end of publicity."""
    dice = life.dice
    months = life.world.penalty["publicity_months"][severity]
    parts: dict[str, object] = {"severity": severity, "procedure": "GENERAL"}
    if severity == "MINOR":
        parts["procedure"] = "SUMMARY" if dice.chance(0.7) else "GENERAL"
    if severity != "MINOR" or dice.chance(0.3):
        parts["publicity_end_date"] = text_of(add_months(record.day, months))
    if offence.fine is not None:
        parts["fine_fen"] = fine_fen(life, offence.fine)
    if "CONFISCATION" in offence.types:
        parts["confiscated_fen"] = dice.whole(10, 900) * 1000 * _FEN_PER_YUAN
    return parts


def fine_fen(life: Life, band_yuan: tuple[int, int]) -> int:
    """Draws a fine in whole thousands of yuan, more often near the lower end of its band."""
    low, high = band_yuan[0] // 1000, band_yuan[1] // 1000
    return (low + int(life.dice.unit() ** 2 * (high - low + 1))) * 1000 * _FEN_PER_YUAN


def basis_text(article: str) -> str:
    """Writes "安全生产法/114/1" as a citation."""
    instrument, number, *paragraph = article.split("/")
    return f"《{instrument}》第{number}条" + (f"第{paragraph[0]}款" if paragraph else "")


def repair(life: Life, penalty: Record, day: int) -> None:
    """Writes the decision that repairs the record of this penalty."""
    document = life.document("信修", day)
    record = life.open(penalty.domain, "REP", day, refers_to=penalty, document_no=document)
    life.clerk.report(record, decision_date=text_of(day))


def _fits(life: Life, offence: Offence) -> bool:
    if offence.only == "compulsory":
        return life.firm.trade.is_compulsory
    return bool(life.firm.trade.licence) if offence.only == "licensed" else True


def _aftermath(life: Life, penalty: Record, severity: str) -> None:
    dice, rates = life.dice, life.world.penalty
    if dice.chance(life.world.clocks["retracted"]):
        life.clerk.retract(penalty, penalty.last_day + dice.whole(10, 60))
        return
    draw = dice.unit()
    if draw < rates["revoked"]:
        life.clerk.publish(penalty, penalty.day + dice.whole(30, 120), status="REVOKED")
        return
    if draw < rates["revoked"] + rates["stayed"]:
        life.clerk.publish(penalty, penalty.day + dice.whole(15, 60), status="STAYED")
        return
    if severity != "MINOR" and "fine_fen" in penalty.payload and dice.chance(rates["unexecuted"]):
        _refused(life, penalty)
        return
    performed = penalty.day + dice.whole(5, 60)
    is_repaired = dice.chance(rates["repaired"][severity])
    if is_repaired or dice.chance(rates["performed_known"]):
        life.clerk.publish(penalty, performed + dice.whole(1, 7), performed_date=text_of(performed))
    # A penalty for an accident that is told after the last day is told after it as well: nobody can repair it.
    if is_repaired and penalty.last_day <= life.clerk.until:
        day = add_months(penalty.day, rates["repair_after_months"][severity]) + dice.whole(5, 150)
        repair(life, penalty, max(day, penalty.last_day + 1))


def _refused(life: Life, penalty: Record) -> None:
    day = penalty.day + life.dice.whole(100, 240)
    court = life.document("京行审", day)
    is_able = life.dice.chance(life.world.penalty["able_to_perform"])
    record = life.open(penalty.domain, "NONEXEC", day, refers_to=penalty)
    life.clerk.report(record, is_able_to_perform=is_able, court_reference=court)
