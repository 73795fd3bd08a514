"""The rules from the command line: a draft is tried on the whole ledger, an installed edition adopted by two."""

import re
from pathlib import Path

from credit_service.rulebook.edition import SHIPPED, load_edition
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess

DRAFT = 'id = "draft"\nextends = "cn-2026-04"\n[[rules]]\nid = "B-01"\ndrop = true\n'


def test_draft_is_tried_and_tells_who_and_how_many(
    command: Command, as_regulator: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "draft.toml"
    file.write_text(DRAFT, "utf-8")
    *changes, summary = command("rulebook", "try", str(file), "--json").lines()
    assert int(summary["changing"]) == len(changes) > 0
    assert all(change["leaving"][0]["rule_id"] == "B-01" for change in changes)
    told = command("rulebook", "try", str(file))
    assert f"{summary['subjects']} subjects judged, {len(changes)} would change, 0 their grade" in told.err
    assert changes[0]["subject"]["code"] in told.out


def test_faulty_draft_is_refused_in_one_line(command: Command, as_regulator: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "draft.toml"
    file.write_text("colour = 1\n" + DRAFT, "utf-8")
    ended = command("rulebook", "try", str(file))
    assert ended.code != 0
    assert (len(ended.err.splitlines()), "colour" in ended.err) == (1, True)


def test_edition_is_proposed_by_one_officer_and_not_confirmed_by_the_same(
    command: Command, as_regulator: ServerProcess
) -> None:
    first = command("rulebook", "adopt", "tw-osh", "--json").json()["adoption"]
    assert first["first_officer"].endswith("officer-1")
    assert "second_officer" not in first
    ended = command("rulebook", "adopt", "tw-osh")
    assert (ended.code != 0, "want another person" in ended.err) == (True, True)


def test_edition_is_shown_with_its_vetoes_and_their_bases(command: Command, as_regulator: ServerProcess) -> None:
    told = command("rulebook", "show").out
    vetoes = load_edition(SHIPPED / "cn-2026-04.toml").grading.vetoes
    rows = [re.search(rf"^│ {veto.id} .*{veto.cap} at best .*{veto.text_zh}", told, re.MULTILINE) for veto in vetoes]
    assert (len(rows), all(rows)) == (9, True)
    assert "北京市安全生产条例 49 (law)" in told
    foreign = command("rulebook", "show", "tw-osh")
    assert "no list rules" in foreign.err
    assert re.search(r"^│ V-ACC .*C at best .*十二个月内发生重大职业灾害", foreign.out, re.MULTILINE)
