"""Gauges of an evaluation: the report's own figures, in a form that a collector reads, and never too many."""

import re
from pathlib import Path
from typing import Any

import pytest

from credit_service.exposition import write
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import add_months, day_start, parse_day
from tests.training.test_watching import SIGNS
from training.evaluate import Report, rounded
from training.extract import Extract, Overridden
from training.gauges import LEAST_TOLD, MOST_GROUPS, TEXTS, gauges
from training.making import Held
from training.recipe import Recipe
from training.watching import watched

SAMPLE = re.compile(r'(safety_credit_evaluation_[a-z_]+)\{([a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*)\} (-?[0-9.e+-]+)')


@pytest.fixture(scope="module")
def document(recipe: Recipe, held: Held, report: Report) -> dict[str, Any]:
    """A report with a ledger in which officers set a dozen grades."""
    day = add_months(recipe.test_cutoff, -2)
    some = report.sets.test.subject[:12].tolist()
    set_by_hand = [Overridden(held.test.subject_ids[n], "D", "EVIDENCE", day, day + 90) for n in some]
    extract = Extract(held.test, load_sources(), set_by_hand, SIGNS)
    found: dict[str, Any] = rounded(watched(recipe, report, held, extract))
    return found


@pytest.fixture(scope="module")
def told(document: dict[str, Any]) -> dict[str, float]:
    """Reads the lines by name and labels without the model."""
    return parsed(document)


def parsed(document: dict[str, Any]) -> dict[str, float]:
    found = {}
    for line in gauges(document):
        if not line.startswith("#"):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            model, _, rest = sample[2].partition(",")
            assert model == f'model="{document["model"]}"'
            name = f"{sample[1].removeprefix('safety_credit_evaluation_')}{{{rest}}}"
            assert name not in found, "a collector refuses a sample that is told twice"
            found[name] = float(sample[3])
    return found


@pytest.mark.parametrize("of", ["test", "ledger"])
def test_figures_are_those_of_the_report(document: dict[str, Any], told: dict[str, float], of: str) -> None:
    m, ledger = document["tasks"]["cn-main"]["monitoring"], document["ledger"]
    part = {"drift": m["drift"], "migration": m["migration"], "outcomes": m} if of == "test" else ledger
    day = m["to"] if of == "test" else ledger["as_of"]
    assert told[f'as_of_timestamp_seconds{{of="{of}"}}'] == day_start(parse_day(day)).timestamp()
    for name, one in [("score", part["drift"]["score"]), *part["drift"]["features"].items()]:
        label = f'{{of="{of}",value="{name}"}}'
        assert told[f"drift{label}"] == one["psi"]
        assert told[f"drift_floor{label}"] == one["floor"]
        assert told[f"drift_alarm{label}"] == one["is_alarm"]
        assert told[f"drift_periods_above_floor{label}"] == one["periods_above_floor"]
        assert told[f"drift_lasting{label}"] == one["is_lasting"]
    for before, row in part["migration"]["matrix"].items():
        for after, number in row.items():
            assert told[f'moves{{of="{of}",from="{before}",to="{after}"}}'] == number
        stayed = part["migration"]["stay"][before]
        assert told.get(f'stay_ratio{{of="{of}",band="{before}"}}') == stayed
    lights = {"green": 0, "yellow": 1, "red": 2}
    for letter, one in part["outcomes"]["by_grade"]["grades"].items():
        assert told[f'band_subjects{{of="{of}",band="{letter}"}}'] == one["n"]
        for figure in ("expected", "observed"):
            assert told.get(f'band_{figure}_ratio{{of="{of}",band="{letter}"}}') == one.get(figure)
        assert told.get(f'band_light{{of="{of}",band="{letter}"}}') == lights.get(one["light"])
    for way in ("size", "district", "industry"):
        groups = part["outcomes"]["by_group"][way]
        large = {name: one for name, one in groups.items() if one["n"] >= LEAST_TOLD}
        assert large
        for name, one in large.items():
            label = f'{{of="{of}",way="{way}",group="{name}"}}'
            assert told[f"group_observed_to_expected{label}"] == one["observed_to_expected"]
            assert told[f"group_sureness{label}"] == one["sureness"]
            assert told[f"group_alarm{label}"] == one["is_alarm"]
        assert told[f'groups_left_out{{of="{of}",way="{way}",figure="outcomes"}}'] == len(groups) - len(large)


def test_reporting_sources_and_overrides_are_told(document: dict[str, Any], told: dict[str, float]) -> None:
    ledger = document["ledger"]
    reported = [name for name in told if name.startswith('reported_to_expected{of="ledger"')]
    assert reported
    for name, one in ledger["reporting"]["size"].items():
        if "by_fatal" in one and one["n"] >= LEAST_TOLD:
            label = f'{{of="ledger",way="size",group="{name}",measure="by_fatal"}}'
            assert told[f"reported_to_expected{label}"] == one["by_fatal"]["observed_to_expected"]
    for name, one in ledger["sources"].items():
        assert told.get(f'source_quarter_to_expected{{source="{name}"}}') == one.get("observed_to_expected")
    one = ledger["overrides"]["by_reason"]["EVIDENCE"]
    for key in ("known", "harmed", "agreed", "agreed_expected"):
        assert told[f'overrides_{key}{{way="reason",group="EVIDENCE"}}'] == one[key]
    assert told["overrides_set" + '{way="reason",group="EVIDENCE"}'] == 12


def test_every_family_says_what_it_means_once_and_nobody_is_named(document: dict[str, Any], held: Held) -> None:
    lines = gauges(document)
    heads = [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert len(heads) == len(set(heads))
    # What a report holds no figure of is absent; this one has them all.
    assert heads == [f"safety_credit_evaluation_{name}" for name in TEXTS]
    text = "\n".join(lines)
    assert not any(code.partition(":")[2] in text for code in held.test.subject_ids)


def test_groups_are_capped_and_an_alarm_is_never_the_one_left_out(document: dict[str, Any]) -> None:
    one = {"positives": 1, "observed_to_expected": 1.0, "sureness": 0.5, "clean_at_c_or_d": 0.0}
    many = {f"{n:06d}": {**one, "n": 10_000 - n, "is_alarm": False} for n in range(3_000)}
    many |= {"990001": {**one, "n": 600, "is_alarm": True}, "990002": {**one, "n": LEAST_TOLD - 1, "is_alarm": True}}
    m = document["tasks"]["cn-main"]["monitoring"]
    large = {**m, "by_group": {**m["by_group"], "district": many}}
    changed = {**document, "tasks": {"cn-main": {**document["tasks"]["cn-main"], "monitoring": large}}}
    found = parsed(changed)
    shown = [name for name in found if name.startswith('group_alarm{of="test",way="district"')]
    assert len(shown) == MOST_GROUPS
    assert found['group_alarm{of="test",way="district",group="990001"}'] == 1
    assert found['groups_left_out{of="test",way="district",figure="outcomes"}'] == len(many) - MOST_GROUPS
    assert len(found) < 2_500


def test_file_is_written_as_a_whole(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "evaluation.prom"
    path.write_text("of before", "utf-8")
    write(path, gauges(document))
    assert path.read_text("utf-8").splitlines() == gauges(document)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["evaluation.prom"]
