"""Scripts of the planted fire cases: serious records, and every kind of event of the domain."""

from collections.abc import Callable
from functools import partial

from credit_service.legal_days import add_months
from training.simulated_city.accidents import prosecute
from training.simulated_city.clerk import text_of
from training.simulated_city.conduct import ban
from training.simulated_city.firm import Life
from training.simulated_city.oversight import inspect, order
from training.simulated_city.penalties import decide, repair, sentence
from training.simulated_city.props import accident, ago, fine, insured, offence_of
from training.simulated_city.standing import claim, registration
from training.simulated_city.world import Offence

_MATTERS = {
    "HAZARD_NOT_RECTIFIED": Offence(
        "消防法/60/1",
        ("FINE", "PRODUCTION_STOPPED"),
        "重大火灾隐患经通知拖延不整改",
        (30_000, 50_000),
    ),
    "OPENED_WITHOUT_INSPECTION": Offence(
        "消防法/58/1", ("FINE", "PRODUCTION_STOPPED"), "未经消防安全检查擅自营业", (30_000, 300_000)
    ),
    "FALSE_COMMITMENT_WITH_HAZARD": Offence(
        "消防法/58/1",
        ("FINE", "PRODUCTION_STOPPED"),
        "消防安全承诺失实且存在重大火灾隐患",
        (30_000, 200_000),
    ),
    "REFUSED_CORRECTION": Offence("消防法/60/1", ("FINE",), "抽查发现严重违法行为，通知后拒不改正", (20_000, 50_000)),
    "DECISION_NOT_EXECUTED": Offence("消防法/70", ("FINE", "OTHER"), "不执行停产停业、查封决定", (10_000, 50_000)),
}


def _serious_record(life: Life, *, matter: str) -> None:
    fire = life.world.fire
    inspect(life, fire, ago(life, 7), "RANDOM", "MAJOR_VIOLATION")
    penalty = decide(life, fire, ago(life, 5), _MATTERS[matter])
    penalty.payload |= sentence(life, penalty, "SERIOUS", _MATTERS[matter]) | {"fire_matter": matter}
    life.clerk.publish(penalty, ago(life, 5) + 4)
    if matter in ("HAZARD_NOT_RECTIFIED", "FALSE_COMMITMENT_WITH_HAZARD"):
        _fire_hazard(life)
    if matter == "FALSE_COMMITMENT_WITH_HAZARD":
        fraud = life.open(fire, "FRAUD", ago(life, 7), refers_to=penalty)
        life.clerk.publish(fraud, ago(life, 5) + 5, fraud_kind="FALSE_COMMITMENT")


def _fire_hazard(life: Life) -> None:
    day = ago(life, 7)
    record = life.open(life.world.fire, "HAZ", day)
    facts = {
        "hazard_level": "MAJOR",
        "found_by": "AUTHORITY",
        "facts": "安全出口数量不足，自动灭火系统瘫痪",
    }
    dates = {"order_date": text_of(day + 1), "due_date": text_of(day + 30)}
    life.clerk.publish(record, day + 3, **facts, **dates)
    life.clerk.publish(record, ago(life, 2), closed_date=text_of(ago(life, 2, 3)))


def _repaired(life: Life) -> None:
    fire = life.world.fire
    offence = _MATTERS["REFUSED_CORRECTION"]
    penalty = decide(life, fire, ago(life, 20), offence)
    penalty.payload |= sentence(life, penalty, "SERIOUS", offence) | {"fire_matter": "REFUSED_CORRECTION"}
    life.clerk.publish(penalty, ago(life, 20) + 4)
    life.clerk.publish(penalty, ago(life, 19), performed_date=text_of(ago(life, 19, 5)))
    repair(life, penalty, ago(life, 6))


def _merits(life: Life) -> None:
    clerk, fire = life.clerk, life.world.fire
    clerk.publish(life.open(fire, "REG", clerk.first_day), clerk.first_day + 25, **registration(life))
    start = ago(life, 16)
    terms = {"from_date": text_of(start), "to_date": text_of(add_months(start, 36) - 1)}
    clerk.publish(life.open(fire, "STD", start), start + 6, level=2, **terms)
    insured(life, fire)
    made = life.open(fire, "COM", ago(life, 15))
    clerk.publish(made, ago(life, 15) + 2, status="MADE", text="承诺落实消防安全主体责任")
    clerk.publish(life.open(fire, "COM", ago(life, 3), refers_to=made), ago(life, 3) + 4, status="KEPT")
    organ = fire.organ.format(district=life.firm.district.name)
    clerk.publish(life.open(fire, "HON", ago(life, 9)), ago(life, 9) + 5, level="CITY", organ_name=organ)
    clerk.publish(life.open(fire, "SVC", ago(life, 4)), ago(life, 4) + 3, service_type="消防设施检测", hours=6)
    claim(life, fire, ago(life, 4), 2_600_000)
    for months in (2, 14, 26):
        inspect(life, fire, ago(life, months), "RANDOM", "CLEAN")


def _faults(life: Life) -> None:
    clerk, fire = life.clerk, life.world.fire
    harm = accident(life, ago(life, 30), 1, domain=fire)
    prosecute(life, harm, ago(life, 26))
    unlicensed = fine(life, fire, ago(life, 18), offence_of(fire, "UNLICENSED"))
    record = life.open(fire, "LICV", ago(life, 18, 9), refers_to=unlicensed)
    licence_type = "公众聚集场所投入使用、营业前消防安全检查合格证"
    clerk.publish(record, ago(life, 18) + 6, licence_type=licence_type, violation="UNLICENSED")
    refused = life.open(fire, "NONEXEC", ago(life, 12), refers_to=unlicensed)
    clerk.publish(refused, ago(life, 12) + 5, is_able_to_perform=True)
    blocked = fine(life, fire, ago(life, 11), offence_of(fire, "OBSTRUCTION"), "GENERAL")
    clerk.publish(
        life.open(fire, "OBSTR", ago(life, 11, 8), refers_to=blocked),
        ago(life, 11) + 6,
        facts="拒绝检查",
    )
    sealed = order(life, fire, "STOP_WORK", ago(life, 11))
    clerk.publish(sealed, ago(life, 11) + 3)
    clerk.publish(sealed, ago(life, 9), lifted_date=text_of(ago(life, 9, 4)))


def _service_body(life: Life) -> None:
    fire = life.world.fire
    penalty = fine(life, fire, ago(life, 8), offence_of(fire, "FALSE_REPORT"))
    record = life.open(fire, "FRAUD", ago(life, 9), refers_to=penalty)
    life.clerk.publish(record, ago(life, 8) + 6, fraud_kind="FALSE_REPORT")
    ban(life, fire, ago(life, 8), refers_to=penalty)


SCRIPTS: dict[str, Callable[[Life], object]] = {
    **{f"fire-{matter.lower().replace('_', '-')}": partial(_serious_record, matter=matter) for matter in _MATTERS},
    "fire-repaired": _repaired,
    "fire-merits": _merits,
    "fire-faults": _faults,
    "fire-service-body": _service_body,
}
