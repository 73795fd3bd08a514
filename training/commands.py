"""Subcommands dataset, fit, evaluate, publish, promote, rollback, key and ship."""

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

from credit_service.exposition import write
from credit_service.grades.table import EXPOSURE, exposure_document, table_document
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from training import tw_osh
from training.evaluate import measured, rounded
from training.extract import read_extract
from training.gauges import gauges
from training.inputs import load
from training.lasting import read_reports
from training.making import make, sets
from training.pages import page
from training.publish import json_text, new_key, publish, read_key
from training.recipe import RECIPES, Recipe, load_recipe
from training.registry import ALIASES, CHAMPION, Act, promote, rollback
from training.watching import watched

Subparsers = Any
# Servers read the registry at their start, and keep the grades of before until somebody asks for new ones.
THEN = "(then start the servers again, and run `credit-service regrade`)"


def add_parser(subparsers: Subparsers) -> None:
    """Adds the subcommands of this module."""
    for name, run, text in (
        ("dataset", _dataset, "write the test set of a recipe as CSV"),
        ("fit", _fit, "fit the served task and write booster and points table"),
        ("evaluate", _evaluate, "fit, and measure on the test cut-off"),
        ("publish", _publish, "fit, measure, and write the signed artefact"),
    ):
        parser = subparsers.add_parser(name, help=text, description=text)
        parser.add_argument("--recipe", default="tw_osh_pd", help="name or path of the recipe")
        parser.add_argument("--input", type=Path, help="data file instead of the shipped one")
        parser.add_argument("--out", type=Path, help="file or folder to write to")
        if name == "evaluate":
            _add_readings(parser)
        parser.set_defaults(run=run)
    parser.add_argument("--key", type=Path, required=True, help="private key file, outside the repository")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the artefacts")
    for name, run, text in (
        ("promote", _promote, f"point an alias at a version; a champion must pass the gate {THEN}"),
        ("rollback", _rollback, f"make the former champion champion again {THEN}"),
    ):
        parser = subparsers.add_parser(name, help=text, description=text)
        parser.add_argument("model", help="name of the model")
        parser.add_argument("--by", required=True, help="who decides, as agency/officer")
        parser.add_argument("--on", required=True, help="civil day of the decision, such as 2026-12-01")
        parser.add_argument("--reason", required=True, help="why, in words for the record")
        parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the artefacts")
        parser.set_defaults(run=run)
        if name == "promote":
            parser.add_argument("--version", required=True, help="version of the model")
            parser.add_argument("--alias", choices=ALIASES, default=CHAMPION)
    key = subparsers.add_parser("key", help="make a signing key", description="make a signing key")
    key.add_argument("out", type=Path, help="private key file, outside the repository")
    key.add_argument("--keys", type=Path, default=Path("models/keys"), help="folder of the public keys")
    key.set_defaults(run=_key)
    ship = subparsers.add_parser("ship", help="prepare the public records of Taiwan for shipping")
    ship.add_argument("raw", type=Path, help="the public file, gzip")
    ship.add_argument("--out", type=Path, default=tw_osh.SHIPPED)
    ship.set_defaults(run=_ship)


def _add_readings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--page", type=Path, help="file of a page that people read")
    parser.add_argument("--metrics", type=Path, help="file for a collector, in the text form of Prometheus")
    parser.add_argument("--extract", type=Path, help="folder of `credit-service extract`, or a file of events alone")
    text = "earlier reports, or folders of them: tells drift that lasts"
    parser.add_argument("--history", type=Path, nargs="+", default=[], help=text)


def _recipe(given: argparse.Namespace) -> Recipe:
    path = Path(given.recipe)
    return load_recipe(path if path.suffix == ".toml" else RECIPES / f"{given.recipe}.toml")


def _dataset(given: argparse.Namespace) -> int:
    recipe = _recipe(given)
    held = load(recipe, given.input)
    test = sets(recipe, held).test
    with given.out.open("w", encoding="utf-8", newline="") if given.out else sys.stdout as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["subject_id", "cutoff", *recipe.columns, "rule", *test.labels])
        for n, subject in enumerate(test.subject):
            labels = [int(test.labels[task][n]) for task in test.labels]
            values = [f"{value:g}" for value in test.features[n]]
            writer.writerow(
                [
                    held.test.subject_ids[subject],
                    day_text(recipe.test_cutoff),
                    *values,
                    int(test.rule[n]),
                    *labels,
                ]
            )
    return 0


def _fit(given: argparse.Namespace) -> int:
    recipe = _recipe(given)
    held = load(recipe, given.input)
    began = time.monotonic()
    made = make(recipe, recipe.served_task, sets(recipe, held))
    out = given.out or Path("build") / recipe.name
    out.mkdir(parents=True, exist_ok=True)
    (out / "booster.txt").write_text(made.fitted.provenance, "utf-8", newline="\n")
    table = table_document(made.scorecard.base_points, made.scorecard.lines)
    (out / "table.json").write_text(json_text(table), "utf-8")
    if made.scorecard.exposure:
        (out / EXPOSURE).write_text(json_text(exposure_document(made.scorecard.exposure)), "utf-8")
    print(f"{recipe.name}: fitted {recipe.served_task} in {time.monotonic() - began:.1f} s, written to {out}")
    return 0


def _evaluate(given: argparse.Namespace) -> int:
    # History and folders first: measuring takes minutes, and would be in vain without them.
    recipe, earlier = _recipe(given), read_reports(given.history)
    for file in filter(None, (given.page, given.metrics, given.out)):
        file.parent.mkdir(parents=True, exist_ok=True)
    held = load(recipe, given.input)
    edition = load_edition(SHIPPED / f"{recipe.edition}.toml")
    extract = read_extract(given.extract, edition) if given.extract else None
    document = rounded(watched(recipe, measured(recipe, held), held, extract, earlier))
    text = json_text(document)
    if given.page:
        given.page.write_text(page(document), "utf-8")
        print(f"page written to {given.page}", file=sys.stderr)
    if given.metrics:
        write(given.metrics, gauges(document))
        print(f"metrics written to {given.metrics}", file=sys.stderr)
    if given.out:
        given.out.write_text(text, "utf-8")
    else:
        print(text, end="")
    return 0


def _publish(given: argparse.Namespace) -> int:
    # The key first: fitting takes minutes, and would be in vain without one.
    recipe, key = _recipe(given), read_key(given.key)
    report = measured(recipe, load(recipe, given.input))
    made, document = report.made[recipe.served_task], report.document
    directory = publish(recipe, made, report.sets, document, given.models, key)
    for task, found in document["tasks"].items():
        figures = {key: round(found[key], 4) for key in ("auc", "rule_auc", "logistic_auc")}
        print(json.dumps({"task": task} | figures))
    print(f"published {directory}")
    return 0


def _promote(given: argparse.Namespace) -> int:
    entry = promote(given.models, given.model, given.version, given.alias, _act(given))
    print(json.dumps(entry, ensure_ascii=False))
    return 0


def _rollback(given: argparse.Namespace) -> int:
    print(json.dumps(rollback(given.models, given.model, _act(given)), ensure_ascii=False))
    return 0


def _act(given: argparse.Namespace) -> Act:
    return Act(given.by, parse_day(given.on), given.reason)


def _key(given: argparse.Namespace) -> int:
    print(new_key(given.out, given.keys))
    return 0


def _ship(given: argparse.Namespace) -> int:
    print(f"{tw_osh.prepare(given.raw, given.out)} rows written to {given.out}")
    return 0
