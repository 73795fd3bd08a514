"""The figures of an evaluation as gauges: drift, calibration, moves, groups, reporting, sources, overrides.

Every label is a word of a closed list but groups, of which each way shows so many and says how many it left out. A
figure that could not be measured is absent. `of` is `test` for the recipe's test cut-off and `ledger` for an extract.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from credit_service.exposition import Sample, family
from credit_service.legal_days import day_start, parse_day

TEST, LEDGER = "test", "ledger"
LIGHTS = {"green": 0, "yellow": 1, "red": 2}
# Groups of one way of grouping that are told, those in alarm and then the largest first.
MOST_GROUPS = 40
# A smaller group would say much of few, and little by chance.
LEAST_TOLD = 30
MEASURES = ("by_exposure", "by_fatal", "by_claims")
WAYS = ("size", "district", "industry")

# Each family by its name, in the order in which they are written.
TEXTS: Mapping[str, str] = {
    "as_of_timestamp_seconds": "The day that the figures are of; its distance from now is their age.",
    "auc": "Area under the curve on the test cut-off.",
    "observed_to_expected": "Harm that came true, of what was said.",
    "expected_calibration_error": "Mean gap between said and come true, over fifteen bins.",
    "calibration_slope": "Slope of come true over said, on log-odds.",
    "band_subjects": "Subjects of a band when outcomes were measured.",
    "band_expected_ratio": "Harm that was said of a band, as a share.",
    "band_observed_ratio": "Harm that came true in a band, as a share.",
    "band_light": "Calibration of a band: 0 green, 1 yellow, 2 red (sure, and it matters).",
    "drift": "Stability index (PSI) against the model's reference, of the score or of a feature.",
    "drift_floor": "Index that chance alone passes once in a hundred times.",
    "drift_alarm": "1 where the index is above its limit and well above chance.",
    "drift_periods_above_floor": "Evaluations running, up to this one, with the index above chance.",
    "drift_lasting": "1 where the index was above chance in so many evaluations running that it is no chance.",
    "moves": "Subjects by grade on two days.",
    "stay_ratio": "Share of a grade's subjects that stand there on the later day too.",
    "changed_ratio": "Share of subjects whose grade changed.",
    "jumped_ratio": "Share of subjects that moved by two grades or more.",
    "group_subjects": "Subjects of a group when outcomes were measured.",
    "group_observed_to_expected": "Harm that came true in a group, of what was said.",
    "group_sureness": "How sure it is that a group's gap is no chance; 0.999 is sure.",
    "group_clean_at_c_or_d_ratio": "Share of a group's unharmed subjects that stood at C or D.",
    "group_alarm": "1 where a group is large enough to judge and too far off.",
    "groups_left_out": "Groups that are too many or too small to be told.",
    "reported_to_expected": "Light accidents that a group reported, of those that were to be expected.",
    "reported_alarm": "1 where a group surely reported too few light accidents.",
    "source_quarter_to_expected": "Records of a source in its last quarter, of what the year before lets expect.",
    "source_alarm": "1 for a source that surely sent too little in its last quarter.",
    "overrides_in_force_ratio": "Share of the graded whose grade officers set.",
    "overrides_alarm": "1 where officers set more grades than should be.",
    "overrides_set": "Overrides by direction against the model, and by reason.",
    "overrides_known": "Overrides whose year is over, so that it is known what came true.",
    "overrides_harmed": "Of the known overrides, subjects that came to harm.",
    "overrides_agreed": "Of the known overrides that moved a grade, those with which the outcome agreed.",
    "overrides_agreed_expected": "Agreement to be expected if the model were right and officers knew no more.",
}
Figure = tuple[str, Mapping[str, str], float | None]


def gauges(document: Mapping[str, Any]) -> list[str]:
    """Returns the lines of a report, every one with its model."""
    by_name: dict[str, list[Sample]] = defaultdict(list)
    for name, labels, value in _figures(document):
        if value is not None:
            by_name[name].append(("", {"model": document["model"], **labels}, value))
    return [
        line for name, text in TEXTS.items() if name in by_name
        for line in family(f"evaluation_{name}", "gauge", text, by_name[name])
    ]  # fmt: skip


def _figures(document: Mapping[str, Any]) -> Iterator[Figure]:
    for task, found in document["tasks"].items():
        for name, key in (
            ("auc", "auc"), ("observed_to_expected", "observed_to_expected"), ("expected_calibration_error", "ece"),
            ("calibration_slope", "calibration_slope"),
        ):  # fmt: skip
            yield name, {"of": TEST, "task": task}, found[key]
        if "monitoring" in found:
            m, labels = found["monitoring"], {"of": TEST}
            yield _day(m["to"], labels)
            yield from _drift(m["drift"], labels)
            yield from _moves(m["migration"], labels)
            yield from _outcomes(m, labels)
            yield from _reported(m["reporting"], labels)
    if "ledger" in document:
        yield from _ledger(document["ledger"], document["served_task"])


def _ledger(found: Mapping[str, Any], task: str) -> Iterator[Figure]:
    labels = {"of": LEDGER}
    yield _day(found["as_of"], labels)
    yield from _reported(found["reporting"], labels)
    for name, one in found["sources"].items():
        yield "source_quarter_to_expected", {"source": name}, one.get("observed_to_expected")
        yield "source_alarm", {"source": name}, one.get("is_alarm")
    if "drift" in found:
        yield from _drift(found["drift"], labels)
    if "migration" in found:
        yield from _moves(found["migration"], labels)
    if "outcomes" in found:
        yield "observed_to_expected", {**labels, "task": task}, found["outcomes"]["observed_to_expected"]
        yield from _outcomes(found["outcomes"], labels)
    if "overrides" in found:
        yield from _overrides(found["overrides"])


def _day(day: str, labels: Mapping[str, str]) -> Figure:
    return "as_of_timestamp_seconds", labels, day_start(parse_day(day)).timestamp()


def _drift(found: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[Figure]:
    for name, one in [("score", found["score"]), *found["features"].items()]:
        told = {**labels, "value": name}
        yield "drift", told, one["psi"]
        yield "drift_floor", told, one["floor"]
        yield "drift_alarm", told, one["is_alarm"]
        yield "drift_periods_above_floor", told, one["periods_above_floor"]
        yield "drift_lasting", told, one["is_lasting"]


def _moves(found: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[Figure]:
    for before, row in found["matrix"].items():
        for after, number in row.items():
            yield "moves", {**labels, "from": before, "to": after}, number
        yield "stay_ratio", {**labels, "band": before}, found["stay"][before]
    yield "changed_ratio", labels, found["changed"]
    yield "jumped_ratio", labels, found["jumped"]


def _outcomes(found: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[Figure]:
    for letter, one in found["by_grade"]["grades"].items():
        told = {**labels, "band": letter}
        yield "band_subjects", told, one["n"]
        yield "band_expected_ratio", told, one.get("expected")
        yield "band_observed_ratio", told, one.get("observed")
        yield "band_light", told, LIGHTS.get(one["light"])
    for way in WAYS:
        kept = _told(found["by_group"][way])
        for name, one in kept.items():
            told = {**labels, "way": way, "group": name}
            yield "group_subjects", told, one["n"]
            yield "group_observed_to_expected", told, one["observed_to_expected"]
            yield "group_sureness", told, one["sureness"]
            yield "group_clean_at_c_or_d_ratio", told, one["clean_at_c_or_d"]
            yield "group_alarm", told, one["is_alarm"]
        left = len(found["by_group"][way]) - len(kept)
        yield "groups_left_out", {**labels, "way": way, "figure": "outcomes"}, left


def _reported(found: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[Figure]:
    for way in WAYS:
        kept = _told(found[way])
        for name, one in kept.items():
            for measure in MEASURES:
                told = {**labels, "way": way, "group": name, "measure": measure}
                yield "reported_to_expected", told, one.get(measure, {}).get("observed_to_expected")
                yield "reported_alarm", told, one.get(measure, {}).get("is_alarm")
        yield "groups_left_out", {**labels, "way": way, "figure": "reporting"}, len(found[way]) - len(kept)


def _told(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Returns the groups that are told, by name; no alarm gives way to a group without one."""
    large = [name for name, one in groups.items() if one["n"] >= LEAST_TOLD]
    first = sorted(large, key=lambda name: (not _is_alarm(groups[name]), -groups[name]["n"], name))[:MOST_GROUPS]
    return {name: groups[name] for name in sorted(first)}


def _is_alarm(one: Mapping[str, Any]) -> bool:
    return any(part.get("is_alarm") for part in _parts(one))


def _parts(one: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (one, *(one[measure] for measure in MEASURES if measure in one))


def _overrides(found: Mapping[str, Any]) -> Iterator[Figure]:
    yield "overrides_in_force_ratio", {}, found["share"]
    yield "overrides_alarm", {}, found["is_alarm"]
    for way in ("direction", "reason"):
        for name, one in found[f"by_{way}"].items():
            told = {"way": way, "group": name}
            yield "overrides_set", told, one["n"]
            for key in ("known", "harmed", "agreed", "agreed_expected"):
                yield f"overrides_{key}", told, one.get(key)
