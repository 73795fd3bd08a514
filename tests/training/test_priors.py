"""Rates of classes from the simulated city: who is counted, what is published, and what a caller is told in the end."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_service.grades.artefact import load, load_keys
from credit_service.grades.prior import EVERYBODY, Priors
from credit_service.legal_days import day_text, parse_day
from credit_service.v1 import grades_pb2 as pb
from tests.api.street import Clock, Street, a_code, ref, registered, serving
from tests.cli.conftest import Command, command  # noqa: F401  # a fixture
from tests.cli.test_explaining import changed, telling, verify
from tests.training.test_dataset import LIVE, NAMES, T, an_event
from training.data import gather
from training.dataset import TASKS, history, sample
from training.evaluate import Report
from training.making import Held
from training.priors import CONFIDENCE, LEAST_SUBJECTS, Newcomers, newcomers, priors_of
from training.publish import new_key, publish, read_key
from training.recipe import Recipe

EDITION, TASK = "cn-2026-04", "cn-main"


def counted(**classes: tuple[int, int]) -> Newcomers:
    """Builds newcomers of whom so many of each industry came to harm; `_` stands for no industry."""
    industries, labels = list[str](), list[bool]()
    for industry, (n, k) in classes.items():
        industries += [industry.strip("_")] * n
        labels += [True] * k + [False] * (n - k)
    return Newcomers(np.arange(len(labels)), tuple(industries), {TASK: np.array(labels)})


def test_class_of_a_hundred_is_published_and_a_smaller_one_joins_those_above() -> None:
    found = priors_of(counted(C2611=(LEAST_SUBJECTS, 9), C3011=(99, 0), _=(400, 2)), TASK)
    assert found is not None
    assert {code: (one.subjects, one.positives) for code, one in found.classes.items()} == {
        EVERYBODY: (599, 11), "C": (199, 9), "C26": (100, 9),
    }  # fmt: skip
    assert found.confidence == CONFIDENCE
    assert priors_of(counted(C2611=(LEAST_SUBJECTS - 1, 9)), TASK) is None


def test_classes_that_differ_by_chance_alone_are_drawn_together() -> None:
    alike = priors_of(counted(C26=(3_000, 90), B06=(3_000, 92), E47=(3_000, 88)), TASK)
    unlike = priors_of(counted(C26=(3_000, 15), B06=(3_000, 240), E47=(3_000, 15)), TASK)
    assert alike is not None
    assert unlike is not None
    assert alike.strength > 100_000 > 1_000 > unlike.strength
    assert unlike.classes["B06"].probability > 0.07
    assert alike.classes["B06"].probability == pytest.approx(0.03, rel=0.02)


def test_interval_holds_the_true_rate_as_often_as_it_says() -> None:
    dice, held, tried = np.random.default_rng(8), 0, 200
    for _ in range(tried):
        rate = dice.beta(4, 196)
        others = {letter: (400, dice.binomial(400, dice.beta(4, 196))) for letter in "ABDEFGHIJKLMN"}
        found = priors_of(counted(C26=(600, dice.binomial(600, rate)), **others), TASK)
        assert found is not None
        held += found.classes["C26"].low <= rate <= found.classes["C26"].high
    assert 0.85 <= held / tried <= 0.96


def test_newcomer_counts_once_and_only_while_pending() -> None:
    def born(code: str, day: int, **payload: Any) -> dict[str, Any]:
        told = {"founded_date": day_text(day), "industry_code": "C2611", **payload}
        return an_event(f"reg-{code}", day + 5, kind="REG", payload=told, subject={"scheme": "USCC", "code": code})

    harm = {"accident_kind": "WORK", "liability": "LIABLE"}
    events = [
        born("YOUNG", T - 200), born("OLD", T - 2_000), born("LATER", T + 100),
        an_event("acc", T + 90, T + 95, kind="ACC", payload=harm, subject={"scheme": "USCC", "code": "YOUNG"}),
    ]  # fmt: skip
    held = history(gather(events, {"s": LIVE}))
    samples = [sample(held, [TASKS[TASK]], day, T + 900, NAMES) for day in (T, T + 60, T + 150)]
    found = newcomers(EDITION, held, samples)
    assert len(found) == 2
    assert found.industries == ("C2611", "C2611")
    assert found.labels[TASK].tolist() == [True, False], "by the first cut-off: the accident lay ahead"
    assert len(newcomers(EDITION, held, samples[:1])) == 1


@pytest.fixture(scope="module")
def models(recipe: Recipe, report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with one that was published under a key of the test."""
    folder = tmp_path_factory.mktemp("models")
    new_key(folder / "private.pem", folder / "keys")
    publish(recipe, report.made[TASK], report.sets, report.document, folder, read_key(folder / "private.pem"))
    return folder


@pytest.fixture(scope="module")
def priors(models: Path) -> Priors:
    found = load(models / "cn_sim_pd" / "2026.12.0", load_keys(models / "keys")).scorecard.priors
    assert found is not None
    return found


def test_published_rates_are_those_of_the_citys_newcomers(report: Report, priors: Priors) -> None:
    pending = report.sets.pending
    assert priors == report.made[TASK].scorecard.priors
    assert priors.classes[EVERYBODY].subjects == len(pending) > 200
    assert priors.classes[EVERYBODY].positives == int(pending.labels[TASK].sum())
    assert len(priors.classes) > 3
    told = report.document["tasks"][TASK]["pending"]
    assert told["n"] == len(report.sets.pending_test) > 50
    assert 0 < told["expected"] < 0.1


def test_manifest_signs_the_rates_and_the_card_tells_them(models: Path, priors: Priors) -> None:
    folder = models / "cn_sim_pd" / "2026.12.0"
    assert "priors.json" in json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    everybody = priors.classes[EVERYBODY]
    wanted = f"{100 * everybody.probability:.2f} % ({100 * everybody.low:.2f} % to {100 * everybody.high:.2f} %)"
    assert wanted in (folder / "card.md").read_text("utf-8")


@pytest.fixture(scope="module")
def house(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("house")
    url = f"sqlite:///{folder / 'credit.db'}"
    with serving(folder, Clock(), database_url=url, models_dir=str(models)) as street:
        yield street


@pytest.fixture(scope="module")
def young(house: Street) -> str:
    code = a_code()
    house.must_collect(registered(code, founded_date="2026-09-01", industry_code="F5219"))
    return code


def test_every_answer_about_a_newcomer_carries_its_class(house: Street, young: str, priors: Priors) -> None:
    asked = pb.GetGradeRequest(subject=ref(young))
    kept = house.ask("regulator", "GradeService/GetGrade", asked).grade
    expected = priors.at("F5219")
    found = kept.class_prior
    assert (kept.grade, kept.HasField("score"), kept.HasField("probability")) == (pb.GRADE_PENDING, False, False)
    assert (found.probability, found.low, found.high) == (expected.probability, expected.low, expected.high)
    assert (found.class_code, found.subject_count) == (expected.class_code, expected.subjects)
    assert (found.confidence, found.model_id) == (0.9, "cn_sim_pd/2026.12.0")
    assert "区间" in found.text_zh
    assert "interval" in found.text_en
    explained = house.ask("regulator", "GradeService/ExplainGrade", pb.ExplainGradeRequest(subject=ref(young)))
    assert explained.grade.class_prior == found
    assert json.loads(explained.document)["class_prior"]["probability"] == expected.probability
    (batch,) = house.ask("regulator", "GradeService/BatchGetGrades", pb.BatchGetGradesRequest(subjects=[ref(young)]))
    assert batch.results[0].grade.class_prior == found
    history_ = house.ask("regulator", "GradeService/ListGradeHistory", pb.ListGradeHistoryRequest(subject=ref(young)))
    assert history_.grades[0].class_prior == found


def test_insurer_and_agency_are_not_told_and_a_graded_firm_has_none(house: Street, young: str) -> None:
    for role in ("insurer", "agency"):
        told = house.ask(role, "GradeService/GetGrade", pb.GetGradeRequest(subject=ref(young))).grade
        assert (told.grade, told.HasField("class_prior")) == (pb.GRADE_PENDING, False)
    old = a_code()
    house.must_collect(registered(old, industry_code="F5219"))
    told = house.ask("regulator", "GradeService/GetGrade", pb.GetGradeRequest(subject=ref(old))).grade
    assert (told.HasField("score"), told.HasField("class_prior")) == (True, False)


def test_command_line_shows_it_and_the_bundle_proves_it(
    house: Street,
    young: str,
    priors: Priors,
    command: Command,  # noqa: F811
    tmp_path: Path,
) -> None:
    house.connect("regulator")
    profile = ("--profile", str(house.folder / "regulator.json"))
    rate = f"{100 * priors.at('F5219').probability:.2f}"
    for name in ("grade", "explain"):
        shown = command(name, young, *profile)
        assert (shown.code, f"预期概率{rate}%" in shown.out, f"{rate} % expected" in shown.out) == (0, True, True)
        assert not re.search(r"\bscore\b|\bbase\b", shown.out), "a pending subject has none"
    bundle, sheet = tmp_path / "bundle.zip", tmp_path / "sheet.html"
    assert command("explain", young, *profile, "--bundle", str(bundle), "--sheet", str(sheet)).code == 0
    assert f"预期概率{rate}%" in sheet.read_text("utf-8")
    done = verify(bundle)
    assert (done.returncode, "good, by ed25519-" in done.stdout) == (0, True), done.stderr
    lower = telling(lambda told: told["class_prior"].__setitem__("probability", 0.0001))
    done = verify(changed(bundle, tmp_path / "forged.zip", lower))
    assert (done.returncode, "class prior" in done.stderr) == (1, True), done.stderr


def test_cutoffs_of_the_recipe_are_the_ones_that_are_counted(recipe: Recipe, held: Held, report: Report) -> None:
    days = (*recipe.fit_cutoffs, recipe.calibration_cutoff)
    assert max(days) < recipe.test_cutoff
    one_day = newcomers(EDITION, held.past, [sample(held.past, [TASKS[TASK]], days[0], recipe.known_by, NAMES)])
    assert 0 < len(one_day) < len(report.sets.pending)
    assert parse_day("2024-12-31") in days
