"""Scripts of the planted cases about Order 11: candidates, and neighbours that stay outside."""

from collections.abc import Callable
from functools import partial

from credit_service.legal_days import add_months
from training.simulated_city.clerk import Record, text_of
from training.simulated_city.conduct import ban
from training.simulated_city.firm import Life
from training.simulated_city.penalties import decide, sentence
from training.simulated_city.props import (
    accident,
    ago,
    fine,
    offence_of,
    person_of,
    punish,
    valid_licence,
)
from training.simulated_city.world import Offence

_NO_RESCUE = Offence("安全生产法/110", ("FINE",), "主要负责人在发生事故时不立即组织抢救", (50_000, 200_000))


def _major(life: Life) -> None:
    punish(life, accident(life, ago(life, 9), 12), ago(life, 5), "MAJOR")


def _level_rises(life: Life) -> None:
    day = ago(life, 10)
    record = accident(life, day, 9, liable_after=0)
    life.clerk.publish(record, day + 29, deaths=10)
    life.clerk.publish(record, day + 100, liability="LIABLE")
    punish(life, record, ago(life, 5), "MAJOR")


def _mall_fire_by_emergency(life: Life) -> None:
    record = accident(life, ago(life, 8), 10, domain=life.world.fire)
    punish(life, record, ago(life, 4), "MAJOR")


def _two_larger(life: Life) -> None:
    punish(life, accident(life, ago(life, 15), 3), ago(life, 11), "LARGER")
    punish(life, accident(life, ago(life, 8), 4), ago(life, 4), "LARGER")


def _larger_pair(life: Life, first: int, second: int) -> None:
    for day in (first, second):
        punish(life, accident(life, day, 3), day + 120, "LARGER")


def _last_day_inside(life: Life) -> None:
    first = ago(life, 19)
    _larger_pair(life, first, add_months(first, 12) - 1)


def _exactly_twelve_months(life: Life) -> None:
    first = ago(life, 19)
    _larger_pair(life, first, add_months(first, 12))


def _second_unpunished(life: Life) -> None:
    punish(life, accident(life, ago(life, 14), 3), ago(life, 10), "LARGER")
    accident(life, ago(life, 6), 3, liable_after=0)


def _egregious(life: Life) -> None:
    punish(life, accident(life, ago(life, 9), 2), ago(life, 5), "GENERAL", multiplier=3)


def _concealed(life: Life) -> None:
    record = accident(life, ago(life, 13), 1, liable_after=200, concealment="CONCEALED")
    punish(life, record, ago(life, 5), "GENERAL")


def _misreported(life: Life) -> None:
    record = accident(life, ago(life, 9), 3, concealment="MISREPORTED")
    punish(life, record, ago(life, 4), "LARGER")


def _late_only(life: Life) -> None:
    record = accident(life, ago(life, 9), 1, concealment="LATE")
    punish(life, record, ago(life, 4), "GENERAL")


def _omitted_only(life: Life) -> None:
    record = accident(life, ago(life, 10), 0, concealment="OMITTED")
    punish(life, record, ago(life, 5), "GENERAL")


def _left_post(life: Life) -> None:
    record = accident(life, ago(life, 9), 3)
    punish(life, record, ago(life, 5), "LARGER")
    day = ago(life, 5)
    penalty = decide(life, life.world.work, day, _NO_RESCUE, refers_to=record)
    penalty.subject = person_of(life)
    penalty.payload |= sentence(life, penalty, "SERIOUS", _NO_RESCUE) | {"conduct": "NO_RESCUE"}
    life.clerk.publish(penalty, day + 5)
    record = life.open(life.world.work, "BAN", day, refers_to=penalty)
    record.subject = person_of(life)
    until = text_of(add_months(day, 60))
    life.clerk.publish(
        record,
        day + 6,
        person_reference=person_of(life)["code"],
        until_date=until,
        is_lifetime=False,
    )


def _unlicensed(life: Life) -> None:
    _without_licence(life, "UNLICENSED")


def _during_suspension(life: Life) -> None:
    record = valid_licence(life, life.world.work, life.firm.trade.licence, left_months=16)
    life.clerk.publish(record, ago(life, 8), status="SUSPENDED")
    _without_licence(life, "DURING_SUSPENSION")
    life.clerk.publish(record, ago(life, 2), status="VALID")


def _without_licence(life: Life, violation: str) -> Record:
    work = life.world.work
    penalty = fine(life, work, ago(life, 4), offence_of(work, "UNLICENSED"))
    record = life.open(work, "LICV", ago(life, 6), refers_to=penalty)
    licence_type = life.firm.trade.licence or "安全生产许可证"
    life.clerk.publish(record, ago(life, 4) + 6, licence_type=licence_type, violation=violation)
    return penalty


def _false_report(life: Life) -> None:
    work = life.world.work
    penalty = fine(life, work, ago(life, 5), offence_of(work, "FALSE_REPORT"))
    record = life.open(work, "FRAUD", ago(life, 8), refers_to=penalty)
    life.clerk.publish(record, ago(life, 5) + 6, fraud_kind="FALSE_CERTIFICATE")
    ban(life, work, ago(life, 5), refers_to=penalty)


def _refuses(life: Life, *, is_able: bool) -> None:
    work = life.world.work
    penalty = fine(life, work, ago(life, 10), offence_of(work, "GENERAL", 5), "GENERAL")
    record = life.open(work, "NONEXEC", ago(life, 4), refers_to=penalty)
    court = life.document("京行审", ago(life, 4))
    life.clerk.publish(record, ago(life, 4) + 8, is_able_to_perform=is_able, court_reference=court)


def _hazardous_licence(life: Life) -> None:
    valid_licence(life, life.world.work, "危险化学品经营许可证")
    record = accident(life, ago(life, 9), 2, concealment="CONCEALED")
    punish(life, record, ago(life, 5), "GENERAL")


def _penalty_revoked(life: Life) -> None:
    penalty = _without_licence(life, "UNLICENSED")
    life.clerk.publish(penalty, ago(life, 4) + 40, status="REVOKED")


def _accident_retracted(life: Life) -> None:
    record = accident(life, ago(life, 7), 10, liable_after=60)
    penalty = punish(life, record, ago(life, 4), "MAJOR")
    life.clerk.retract(record, ago(life, 1))
    life.clerk.retract(penalty, ago(life, 1))


def _fire_body_only(life: Life, *, deaths: int) -> None:
    fire = life.world.fire
    record = accident(life, ago(life, 8), deaths, domain=fire)
    offence = offence_of(fire, "ACCIDENT")
    penalty = decide(life, fire, ago(life, 4), offence, refers_to=record)
    penalty.payload |= sentence(life, penalty, "SERIOUS", offence) | {"is_accident_related": True}
    life.clerk.publish(penalty, ago(life, 4) + 5)


SCRIPTS: dict[str, Callable[[Life], object]] = {
    "major-accident": _major,
    "level-rises": _level_rises,
    "mall-fire-by-emergency": _mall_fire_by_emergency,
    "two-larger": _two_larger,
    "two-larger-last-day": _last_day_inside,
    "two-larger-twelve-months": _exactly_twelve_months,
    "second-larger-open": _second_unpunished,
    "egregious": _egregious,
    "concealed": _concealed,
    "misreported": _misreported,
    "late-only": _late_only,
    "omitted-only": _omitted_only,
    "no-rescue": _left_post,
    "unlicensed": _unlicensed,
    "during-suspension": _during_suspension,
    "false-report": _false_report,
    "refuses-penalty": partial(_refuses, is_able=True),
    "cannot-perform": partial(_refuses, is_able=False),
    "hazardous-licence": _hazardous_licence,
    "construction-major": _major,
    "mall-fire-by-fire-body": partial(_fire_body_only, deaths=10),
    "mall-fire-larger": partial(_fire_body_only, deaths=3),
    "penalty-revoked": _penalty_revoked,
    "accident-retracted": _accident_retracted,
}
