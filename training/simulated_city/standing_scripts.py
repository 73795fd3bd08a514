"""Scripts of the other planted cases: vetoes, alerts, newcomers, red list, repair, identity."""

from collections.abc import Callable
from functools import partial

from credit_service.legal_days import add_months
from training.simulated_city.clerk import Record, text_of
from training.simulated_city.firm import Life, new_name
from training.simulated_city.oversight import inspect, order
from training.simulated_city.penalties import repair
from training.simulated_city.props import (
    accident,
    ago,
    fine,
    insured,
    offence_of,
    punish,
    valid_licence,
)
from training.simulated_city.standing import claim, registration


def _nothing(life: Life) -> None:
    del life


def _stopped(life: Life) -> None:
    work = life.world.work
    inspect(life, work, ago(life, 2), "TARGETED", "MAJOR_VIOLATION")
    life.clerk.publish(order(life, work, "STOP_WORK", ago(life, 2)), ago(life, 2) + 2)


def _hazard(life: Life, day: int, due: int, **payload: object) -> Record:
    record = life.open(life.world.work, "HAZ", day)
    facts = {"hazard_level": "MAJOR", "found_by": "AUTHORITY", "order_date": text_of(day + 1)}
    life.clerk.publish(record, day + 3, **facts, due_date=text_of(due), facts="可燃有毒气体报警装置失效")
    if payload:
        life.clerk.publish(record, day + 40, **payload)
    return record


def _supervised_overdue(life: Life) -> None:
    _hazard(life, ago(life, 6), ago(life, 4), is_supervised=True)


def _hazard_overdue(life: Life) -> None:
    _hazard(life, ago(life, 4), ago(life, 2))


def _self_reported(life: Life) -> None:
    for months in (20, 14, 8, 3):
        day = ago(life, months)
        record = life.open(life.world.work, "HAZ", day)
        facts = {"hazard_level": "MAJOR", "found_by": "SELF", "due_date": text_of(day + 30)}
        life.clerk.publish(record, day + 2, **facts)
        life.clerk.publish(record, day + 21, closed_date=text_of(day + 18))


def _licence_expired(life: Life) -> None:
    valid_licence(life, life.world.work, "安全生产许可证", left_months=-3)


def _penalised_again(life: Life, *, days: tuple[int, ...]) -> None:
    _hazard(life, ago(life, 0, max(days) + 10), ago(life, 0, 5))
    for number, days_ago in enumerate(days):
        work = life.world.work
        fine(life, work, ago(life, 0, days_ago), offence_of(work, "GENERAL", number), "GENERAL")


def _one_larger(life: Life) -> None:
    punish(life, accident(life, ago(life, 9), 3), ago(life, 5), "LARGER")


def _one_fatal(life: Life) -> None:
    punish(life, accident(life, ago(life, 8), 1), ago(life, 4), "GENERAL")


def _two_fatal(life: Life) -> None:
    punish(life, accident(life, ago(life, 11), 1), ago(life, 7), "GENERAL")
    punish(life, accident(life, ago(life, 6), 2), ago(life, 2), "GENERAL")


def _exemplary(life: Life) -> None:
    clerk, work = life.clerk, life.world.work
    start = ago(life, 20)
    terms = {"from_date": text_of(start), "to_date": text_of(add_months(start, 36) - 1)}
    clerk.publish(life.open(work, "STD", start), start + 6, level=1, **terms)
    made = life.open(work, "COM", ago(life, 40))
    clerk.publish(made, ago(life, 40) + 2, status="MADE", text="承诺落实安全生产主体责任")
    clerk.publish(life.open(work, "COM", ago(life, 2), refers_to=made), ago(life, 2) + 4, status="KEPT")
    organ = work.organ.format(district=life.firm.district.name)
    clerk.publish(life.open(work, "HON", ago(life, 10)), ago(life, 10) + 5, level="PROVINCE", organ_name=organ)
    for months in (4, 15, 27, 38):
        inspect(life, work, ago(life, months), "RANDOM", "CLEAN")


def _exemplary_but_fined(life: Life) -> None:
    _exemplary(life)
    work = life.world.work
    fine(life, work, ago(life, 8), offence_of(work, "GENERAL", 2), "GENERAL")


def _fined_newcomer(life: Life) -> None:
    work = life.world.work
    inspect(life, work, ago(life, 2), "TARGETED", "VIOLATION")
    fine(life, work, ago(life, 1), offence_of(work, "GENERAL"), "GENERAL")


def _repaired(life: Life) -> None:
    work = life.world.work
    penalty = fine(life, work, ago(life, 7), offence_of(work, "GENERAL", 4), "GENERAL")
    life.clerk.publish(penalty, ago(life, 6), performed_date=text_of(ago(life, 6, 3)))
    repair(life, penalty, ago(life, 3))


def _serious_alone(life: Life) -> None:
    work = life.world.work
    fine(life, work, ago(life, 6), offence_of(work, "SERIOUS", 2))


def _much_visited(life: Life) -> None:
    for months in range(2, 50, 2):
        inspect(life, life.world.work, ago(life, months), "RANDOM" if months % 4 else "PLANNED", "CLEAN")


def _moves(life: Life) -> None:
    day = ago(life, 9)
    name = new_name(life.dice, life.firm.trade, life.firm.headcount, life.firm.kind)
    moved = registration(life) | {
        "name": name,
        "operating_region": "110108",
        "supervising_region": "110108",
    }
    life.clerk.renamed = (day + 6, name)
    life.clerk.publish(life.open(life.world.work, "REG", day), day + 6, **moved)


def _known_late(life: Life) -> None:
    work = life.world.work
    penalty = fine(life, work, ago(life, 10), offence_of(work, "GENERAL", 3), "GENERAL")
    record = inspect(life, work, ago(life, 11), "PLANNED", "VIOLATION")
    life.clerk.publish(record, ago(life, 11) + 250)
    life.clerk.publish(penalty, ago(life, 1), performed_date=text_of(ago(life, 9)))


def _all_work_kinds(life: Life) -> None:
    clerk, work = life.clerk, life.world.work
    insured(life, work)
    blocked = fine(life, work, ago(life, 14), offence_of(work, "OBSTRUCTION"), "GENERAL")
    clerk.publish(
        life.open(work, "OBSTR", ago(life, 14, 8), refers_to=blocked),
        ago(life, 14) + 6,
        facts="拒绝检查",
    )
    made = life.open(work, "COM", ago(life, 16))
    clerk.publish(made, ago(life, 16) + 2, status="MADE", text="承诺落实安全生产主体责任")
    clerk.publish(life.open(work, "COM", ago(life, 6), refers_to=made), ago(life, 6) + 4, status="BROKEN")
    harm = accident(life, ago(life, 15), 1)
    crime = life.open(
        work,
        "CRIM",
        ago(life, 11),
        refers_to=harm,
        document_no=life.document("刑移", ago(life, 11)),
    )
    clerk.publish(crime, ago(life, 11) + 4, stage="REFERRED")
    clerk.publish(crime, ago(life, 10), stage="ACCEPTED")
    claim(life, work, ago(life, 4), 8_800_000)
    clerk.publish(life.open(work, "SVC", ago(life, 3)), ago(life, 3) + 3, service_type="风险评估", hours=4)


SCRIPTS: dict[str, Callable[[Life], object]] = {
    "stop-work": _stopped,
    "supervised-overdue": _supervised_overdue,
    "hazard-overdue": _hazard_overdue,
    "self-reported": _self_reported,
    "licence-expired": _licence_expired,
    "closure-alert": partial(_penalised_again, days=(150, 100, 40)),
    "one-short-of-closure": partial(_penalised_again, days=(120, 40)),
    "one-larger": _one_larger,
    "one-fatal": _one_fatal,
    "two-fatal": _two_fatal,
    "exemplary-chemical": _exemplary,
    "exemplary-medicine": _exemplary,
    "exemplary-machinery": _exemplary,
    "exemplary-but-fined": _exemplary_but_fined,
    "newcomer-2-months": _nothing,
    "newcomer-6-months": _nothing,
    "newcomer-11-months": _nothing,
    "newcomer-fined": _fined_newcomer,
    "penalty-repaired": _repaired,
    "serious-alone": _serious_alone,
    "much-visited": _much_visited,
    "moves-and-renames": _moves,
    "known-late": _known_late,
    "development-zone": _nothing,
    "all-work-kinds": _all_work_kinds,
}
