"""Features of hazards, inspections and standing: what a subject does, and may do, about safety."""

from functools import lru_cache

import numpy as np

from credit_service.arrays import NEVER, Bools, Floats
from credit_service.grades.columns import Columns, mark_of
from credit_service.grades.feature import Feature
from credit_service.grades.windows import count, latest, on_day, within

AUTHORITY = mark_of("HAZ", "AUTHORITY")
SELF = mark_of("HAZ", "SELF")
CLEAN = mark_of("INS", "CLEAN")
BROKEN = mark_of("COM", "BROKEN")
RECTIFY = mark_of("ORD", "RECTIFY")
VALID = mark_of("LIC", "VALID")
# What an unvisited subject is taken to show: one violation in four visits.
PRIOR_VIOLATIONS, PRIOR_VISITS = 1.0, 4.0


def _ordered_hazards(columns: Columns) -> Bools:
    """Hazards that a subject reports by itself are left out: reporting must never cost points."""
    rows: Bools = columns.of_kind("HAZ") & columns.flag & (columns.mark == AUTHORITY)
    return rows


def _overdue(columns: Columns, as_of_day: int) -> Bools:
    is_open = columns.over_day > as_of_day
    return _ordered_hazards(columns) & (columns.due_day < as_of_day) & is_open


def _late(columns: Columns, as_of_day: int) -> Bools:
    was_late = (columns.due_day < as_of_day) & (columns.over_day > columns.due_day)
    return _ordered_hazards(columns) & was_late & within(columns, as_of_day, 36)


def _closed_in_time(columns: Columns, as_of_day: int) -> Bools:
    in_time = (columns.over_day <= as_of_day) & (columns.over_day <= columns.due_day)
    own = columns.of_kind("HAZ") & (columns.mark == SELF)
    rows: Bools = own & in_time & within(columns, as_of_day, 12)
    return rows


def _visits(columns: Columns, as_of_day: int) -> Bools:
    return columns.of_kind("INS") & within(columns, as_of_day, 36)


def _violations(columns: Columns, as_of_day: int) -> Bools:
    return _visits(columns, as_of_day) & (columns.mark > CLEAN)


def _clean_draws(columns: Columns, as_of_day: int) -> Bools:
    is_clean = columns.of_kind("INS") & columns.flag & (columns.mark == CLEAN)
    rows: Bools = is_clean & within(columns, as_of_day, 12)
    return rows


def _breaches(columns: Columns, as_of_day: int) -> Bools:
    is_broken = columns.of_kind("COM") & (columns.mark == BROKEN)
    rows: Bools = columns.of_kind("OBSTR", "NONEXEC", "FRAUD", "LICV") | is_broken
    return rows & within(columns, as_of_day, 36)


def _stops(columns: Columns, as_of_day: int) -> Bools:
    return columns.of_kind("ORD") & (columns.mark > RECTIFY) & within(columns, as_of_day, 36)


def _honours(columns: Columns, as_of_day: int) -> Bools:
    return columns.of_kind("HON") & within(columns, as_of_day, 24)


def _in_force(columns: Columns, as_of_day: int, kind: str) -> Bools:
    start = np.where(columns.start_day == NEVER, columns.day, columns.start_day)
    return columns.of_kind(kind) & (start <= as_of_day) & (columns.over_day > as_of_day)


def _standards(columns: Columns, as_of_day: int) -> Bools:
    return _in_force(columns, as_of_day, "STD")


def _policies(columns: Columns, as_of_day: int) -> Bools:
    return _in_force(columns, as_of_day, "POL")


def _lapsed(columns: Columns, as_of_day: int) -> Bools:
    """The last record of each licence decides: a renewal ends a lapse, a suspension begins one.

    A licence is mandatory when any of its records says so; a later one that leaves it out lifts nothing.
    """
    lapsed = (columns.over_day <= as_of_day) | (columns.mark > VALID)
    places = np.flatnonzero(columns.of_kind("LIC"))
    order = places[np.lexsort((places, columns.topic[places], columns.subject[places]))]
    subject, topic = columns.subject[order], columns.topic[order]
    is_last = np.ones(len(order), dtype=np.bool_)
    is_last[:-1] = (subject[1:] != subject[:-1]) | (topic[1:] != topic[:-1])
    last = np.zeros(len(columns.day), dtype=np.bool_)
    if len(order):
        begins = np.flatnonzero(np.concatenate(([True], is_last[:-1])))
        last[order[is_last]] = np.logical_or.reduceat(columns.flag[order], begins)
    return last & lapsed


def _licences(columns: Columns, _as_of_day: int) -> Bools:
    """Marks all records of the mandatory licences: each may be what ends a lapse, or what makes a licence mandatory."""
    rows = np.flatnonzero(columns.of_kind("LIC"))
    pairs = np.stack([columns.subject[rows], columns.topic[rows]], axis=1)
    _, licence = np.unique(pairs, axis=0, return_inverse=True)
    is_mandatory = np.bincount(licence.reshape(-1), columns.flag[rows]) > 0
    found = np.zeros(len(columns.day), dtype=np.bool_)
    found[rows[is_mandatory[licence.reshape(-1)]]] = True
    return found


def _registrations(columns: Columns, as_of_day: int) -> Bools:
    rows = columns.of_kind("REG") & (columns.day <= as_of_day) & ~np.isnan(columns.amount)
    return on_day(columns, rows, latest(columns, rows, columns.day))


def overdue_hazards(columns: Columns, as_of_day: int) -> Floats:
    """Counts the major hazards ordered by an authority, past their due day and not closed."""
    return count(columns, _overdue(columns, as_of_day))


def late_hazards_36m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the major hazards ordered by an authority in 36 months and not closed in time."""
    return count(columns, _late(columns, as_of_day))


def own_hazards_closed_12m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the hazards that the subject reported itself in 12 months and closed in time."""
    return count(columns, _closed_in_time(columns, as_of_day))


def violation_share_36m(columns: Columns, as_of_day: int) -> Floats:
    """Takes the share of inspections of the past 36 months that found a violation.

    Few inspections draw it towards one in four.
    """
    violations = count(columns, _violations(columns, as_of_day))
    visits = count(columns, _visits(columns, as_of_day))
    return (violations + PRIOR_VIOLATIONS) / (visits + PRIOR_VISITS)


@lru_cache(maxsize=4096)
def _share_note(share: float, visits: int) -> tuple[str, str]:
    """Says how a share comes about: every visit is behind it, so their number gives the violations back."""
    if not visits:
        return "无检查记录，按四次检查一次违法计", "No inspection on record: taken as one violation in four"
    found = round(share * (visits + PRIOR_VISITS) - PRIOR_VIOLATIONS)
    shown = f"({found}+{PRIOR_VIOLATIONS:.0f})/({visits}+{PRIOR_VISITS:.0f})"
    return (
        f"检查{visits}次，其中{found}次发现违法；检查次数少时向四分之一平滑：{shown}",
        f"{found} of {visits} inspections found a violation; few are drawn towards one in four: {shown}",
    )


def visits_36m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the inspections of the past 36 months; a visit says nothing of safety: no points."""
    return count(columns, _visits(columns, as_of_day))


def clean_draws_12m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the randomly drawn inspections of the past 12 months that found nothing."""
    return count(columns, _clean_draws(columns, as_of_day))


def breaches_36m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the acts of bad faith of the past 36 months.

    These are obstruction, refusal to perform, fraud, acting without a licence, broken commitments.
    """
    return count(columns, _breaches(columns, as_of_day))


def stop_orders_36m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the orders of the past 36 months to stop work or to close."""
    return count(columns, _stops(columns, as_of_day))


def lapsed_licences(columns: Columns, as_of_day: int) -> Floats:
    """Counts the mandatory licences expired, suspended or revoked without a valid successor."""
    return count(columns, _lapsed(columns, as_of_day))


def standard_level(columns: Columns, as_of_day: int) -> Floats:
    """Turns the best valid standardization 标准化 into a level: 3 for class one, 0 for none."""
    rows = _standards(columns, as_of_day)
    found = np.zeros(columns.subjects)
    np.maximum.at(found, columns.subject[rows], 4.0 - columns.mark[rows])
    return found


def is_insured(columns: Columns, as_of_day: int) -> Floats:
    """Says whether a work-safety liability policy 安责险 is in force."""
    return np.minimum(count(columns, _policies(columns, as_of_day)), 1.0)


def honours_24m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the safety honours of the past 24 months."""
    return count(columns, _honours(columns, as_of_day))


def headcount(columns: Columns, as_of_day: int) -> Floats:
    """Takes the number of people employed by the last registration; an exposure: no points."""
    rows = _registrations(columns, as_of_day)
    found = np.full(columns.subjects, np.nan)
    found[columns.subject[rows]] = columns.amount[rows]
    return found


FEATURES = (
    Feature(
        "overdue_hazards", "hazards", "项", None, -1, True,
        "逾期未整改的重大事故隐患",
        "Major hazards overdue",
        ("HAZ",), (), overdue_hazards, _overdue,
    ),
    Feature(
        "late_hazards_36m", "hazards", "项", 36, -1, False,
        "近36个月未按期整改的重大事故隐患",
        "Major hazards not closed in time in the past 36 months",
        ("HAZ",), (36,), late_hazards_36m, _late,
    ),
    Feature(
        "own_hazards_closed_12m", "hazards", "项", 12, 1, True,
        "近12个月自查自报并按期整改的隐患",
        "Hazards self-reported and closed in time in the past 12 months",
        ("HAZ",), (12,), own_hazards_closed_12m, _closed_in_time,
    ),
    Feature(
        "violation_share_36m", "of visits", "（占比）", 36, -1, False,
        "近36个月检查发现违法的比例",
        "Share of inspections with a violation in the past 36 months",
        ("INS",), (36,), violation_share_36m, _visits, note=_share_note,
    ),
    Feature(
        "visits_36m", "visits", "次", 36, 0, False,
        "近36个月检查",
        "Inspections in the past 36 months",
        ("INS",), (36,), visits_36m, _visits,
    ),
    Feature(
        "clean_draws_12m", "visits", "次", 12, 1, False,
        "近12个月随机抽查未发现问题",
        "Clean random inspections in the past 12 months",
        ("INS",), (12,), clean_draws_12m, _clean_draws,
    ),
    Feature(
        "breaches_36m", "acts", "次", 36, -1, False,
        "近36个月拒不配合、弄虚作假、无证或者违背承诺",
        "Acts of bad faith in the past 36 months",
        ("OBSTR", "NONEXEC", "FRAUD", "LICV", "COM"), (36,), breaches_36m, _breaches,
    ),
    Feature(
        "stop_orders_36m", "orders", "次", 36, -1, False,
        "近36个月停产停业或者关闭的责令",
        "Orders to stop or close in the past 36 months",
        ("ORD",), (36,), stop_orders_36m, _stops,
    ),
    Feature(
        "lapsed_licences", "licences", "项", None, -1, True,
        "失效的必备许可",
        "Mandatory licences not valid",
        ("LIC",), (), lapsed_licences, _licences,
    ),
    Feature(
        "standard_level", "of 3", "（最高3）", None, 1, True,
        "有效的安全生产标准化",
        "Valid standardization",
        ("STD",), (), standard_level, _standards,
    ),
    Feature(
        "is_insured", "", "（有为1）", None, 1, True,
        "有效的安全生产责任保险",
        "Work-safety liability policy in force (1: yes)",
        ("POL",), (), is_insured, _policies,
    ),
    Feature(
        "honours_24m", "honours", "次", 24, 1, False,
        "近24个月安全表彰",
        "Safety honours in the past 24 months",
        ("HON",), (24,), honours_24m, _honours,
    ),
    Feature(
        "headcount", "people", "人", None, 0, False,
        "从业人数",
        "People employed",
        ("REG",), (), headcount, _registrations, missing="no registration states it",
    ),
)  # fmt: skip
