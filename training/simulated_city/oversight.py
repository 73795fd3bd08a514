"""Visits of the two authorities and what they find: violations, hazards, orders, obstruction."""

from math import exp, log

from training.simulated_city.clerk import Record, text_of
from training.simulated_city.dice import sigmoid
from training.simulated_city.firm import Life
from training.simulated_city.penalties import penalise
from training.simulated_city.world import Domain

_FACTS = {
    "WORK": (
        "危险工艺未实现自动化控制",
        "有限空间作业未执行审批",
        "可燃有毒气体报警装置失效",
        "特种作业人员无证上岗",
    ),
    "FIRE": (
        "消防控制室无法联动",
        "安全出口数量不足",
        "自动灭火系统瘫痪",
        "违规使用易燃可燃材料装修",
    ),
}


def oversee(life: Life, domain: Domain) -> None:
    """Sends inspectors by lot, by plan and after complaints; visits alone show no risk."""
    trade, place = life.firm.trade, life.firm.operating
    size = min(4.0, max(0.4, life.firm.headcount / 20) ** 0.35)
    random_visits = domain.random_visits * place.visits
    planned = domain.planned_visits * place.visits * size * domain.danger(trade)
    complaints = domain.complaint_visits * size * (1.5 if trade.is_crowded else 1.0)
    for mode, rate, slope in (
        ("RANDOM", random_visits, 0.0),
        ("PLANNED", planned, 0.0),
        ("TARGETED", complaints, 0.5),
    ):
        for day in life.happenings(rate, slope):
            visit(life, domain, day, mode)
    for day in life.happenings(domain.self_hazard * domain.danger(trade) * size, -0.5):
        hazard(life, domain, day, None)


def visit(life: Life, domain: Domain, day: int, mode: str) -> None:
    """Inspects once; a bad result leads to penalties, hazards, orders and another visit."""
    if life.dice.chance(domain.obstructed * exp(0.7 * life.culture_on(day))):
        _obstruct(life, domain, day)
        return
    result = _result(life, domain, day, mode)
    record = inspect(life, domain, day, mode, result)
    if result == "CLEAN":
        return
    if result == "VIOLATION":
        _violation(life, domain, day)
    else:
        _major_violation(life, domain, day)
    again = day + life.dice.whole(30, 120)
    if mode != "TARGETED" and record.is_published and again <= life.last_day and life.dice.chance(domain.follow_up):
        visit(life, domain, again, "TARGETED")


def inspect(life: Life, domain: Domain, day: int, mode: str, result: str) -> Record:
    """Writes the result of an inspection."""
    record = life.open(domain, "INS", day)
    year = text_of(day)[:4]
    quarter = (int(text_of(day)[5:7]) + 2) // 3
    hours = life.dice.whole(2, 4 + min(12, life.firm.headcount // 20)) / 2
    payload: dict[str, object] = {"result": result, "mode": mode, "visit_hours": hours}
    if mode == "RANDOM":
        payload["draw_reference"] = f"SIM-DRAW-{domain.name}-{year}Q{quarter}"
    if mode == "PLANNED":
        payload["plan_reference"] = f"SIM-PLAN-{domain.name}-{year}"
    life.clerk.report(record, **payload)
    return record


def hazard(life: Life, domain: Domain, day: int, level: str | None) -> Record:
    """Writes the life of a hazard until it is closed; without a level: reported by itself."""
    dice, clerk = life.dice, life.clerk
    record = life.open(domain, "HAZ", day)
    due = day + dice.one_of((15, 30, 45, 60, 90))
    payload = {"due_date": text_of(due), "facts": dice.one_of(_FACTS[domain.name])}
    if level is None:
        payload |= {"hazard_level": "MAJOR" if dice.chance(0.2) else "GENERAL", "found_by": "SELF"}
    else:
        payload |= {"hazard_level": level, "found_by": "AUTHORITY", "order_date": text_of(day + 1)}
    clerk.report(record, **payload)
    closed = _closing_day(life, day, due, level)
    if closed > due and dice.chance(0.2):
        clerk.publish(record, due - 2, extended_due_date=text_of(due + 30))
    elif closed > due + 40 and payload["hazard_level"] == "MAJOR" and dice.chance(0.5):
        clerk.publish(record, due + dice.whole(31, 40), is_supervised=True)
    clerk.publish(record, closed + dice.whole(1, 9), closed_date=text_of(closed))
    return record


def order(life: Life, domain: Domain, kind: str, day: int, hazard_record: Record | None = None) -> Record:
    """Opens an order to stop work, rectify or close, in force from this day."""
    document = life.document(f"{domain.mark}令", day)
    texts = {"document_no": document, "legal_basis": domain.order_basis}
    record = life.open(domain, "ORD", day, refers_to=hazard_record, **texts)
    record.payload = {"order_kind": kind, "from_date": text_of(day)}
    return record


def _result(life: Life, domain: Domain, day: int, mode: str) -> str:
    level = life.culture_on(day)
    danger = 0.3 * log(max(0.3, domain.danger(life.firm.trade)))
    aim = 0.4 if mode == "TARGETED" else 0.0
    major = sigmoid(domain.major + domain.major_culture * level + danger + aim)
    violation = sigmoid(domain.violation + domain.violation_culture * level + danger + aim)
    draw = life.dice.unit()
    return "MAJOR_VIOLATION" if draw < major else "VIOLATION" if draw < major + violation else "CLEAN"


def _violation(life: Life, domain: Domain, day: int) -> None:
    dice = life.dice
    if not dice.chance(domain.penalised_violation):
        return
    draw = dice.unit()
    if draw < domain.minor_violation:
        severity = "MINOR"
    else:
        severity = "SERIOUS" if draw > 1 - domain.serious_violation else "GENERAL"
    penalise(life, domain, day + dice.whole(5, 40), severity)


def _major_violation(life: Life, domain: Domain, day: int) -> None:
    dice = life.dice
    found = hazard(life, domain, day, "MAJOR") if dice.chance(domain.hazard_found) else None
    if dice.chance(domain.stop_work):
        _order_lifted(life, domain, "STOP_WORK", day, found)
    elif found is not None:
        _order_lifted(life, domain, "RECTIFY", day, found)
    if dice.chance(domain.penalised_major):
        severity = "SERIOUS" if dice.chance(domain.serious_major) else "GENERAL"
        penalise(life, domain, day + dice.whole(10, 60), severity)


def _order_lifted(life: Life, domain: Domain, kind: str, day: int, found: Record | None) -> None:
    dice = life.dice
    record = order(life, domain, kind, day, found)
    if kind == "RECTIFY":
        record.payload["due_date"] = text_of(day + dice.one_of((15, 30, 60)))
    life.clerk.report(record)
    lifted = day + int(dice.whole(10, 60) * exp(0.4 * life.culture_on(day)))
    life.clerk.publish(record, lifted + dice.whole(1, 9), lifted_date=text_of(lifted))


def _obstruct(life: Life, domain: Domain, day: int) -> None:
    penalty = penalise(life, domain, day + life.dice.whole(5, 30), "OBSTRUCTION", severity="GENERAL")
    record = life.open(domain, "OBSTR", day, refers_to=penalty)
    life.clerk.report(record, facts="拒绝检查人员进入现场")


def _closing_day(life: Life, day: int, due: int, level: str | None) -> int:
    late = sigmoid(-2.2 + 0.8 * life.culture_on(day) + (0.0 if level else -0.8))
    if life.dice.chance(late):
        return due + life.dice.whole(1, 40 if life.dice.chance(0.6) else 300)
    return day + life.dice.whole(2, due - day)
