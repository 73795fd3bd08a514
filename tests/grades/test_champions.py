"""Champions as the registry names them: whatever of it is damaged takes nothing else down."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import FILES, load, load_champions, load_keys, sound_champions, sound_keys
from tests.grades.conftest import MODELS


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(MODELS, tmp_path / "models"))
    return folder / "registry.json"


@pytest.mark.parametrize(
    "aliases",
    [
        {"../models/tw_osh_pd": {"champion": "2026.11.0"}},
        {"tw_osh_pd": {"champion": "../../models/tw_osh_pd/2026.11.0"}},
        {"tw_osh_pd": {"champion": ""}},
        {"tw_osh_pd": {"champion": 7}},
        {"tw_osh_pd": {}},
        {"tw_osh_pd": []},
        [],
    ],
)
def test_registry_that_leads_elsewhere_is_refused(registry: Path, aliases: Any) -> None:
    registry.write_text(json.dumps({"aliases": aliases}), "utf-8")
    with pytest.raises(CreditError) as caught:
        load_champions(registry.parent, load_keys(registry.parent / "keys"))
    assert caught.value.reason is Reason.MODEL_INVALID


def test_model_under_the_name_of_another_is_refused(registry: Path) -> None:
    folder = registry.parent
    shutil.copytree(folder / "tw_osh_pd", folder / "other_pd")
    registry.write_text(json.dumps({"aliases": {"other_pd": {"champion": "2026.11.0"}}}), "utf-8")
    with pytest.raises(CreditError, match="the model other_pd"):
        load_champions(folder, load_keys(folder / "keys"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"aliases": []}', '{"aliases": {}, "aliases": {}}', "\x00" * 9])
def test_registry_that_cannot_be_read_is_a_fault_like_any_other(registry: Path, text: str) -> None:
    registry.write_text(text, "utf-8")
    found, faults = sound_champions(registry.parent, load_keys(registry.parent / "keys"))
    assert (found, {name: fault.reason for name, fault in faults.items()}) == (
        {}, {"registry.json": Reason.MODEL_INVALID},
    )  # fmt: skip


def test_key_that_cannot_be_read_takes_no_other_key_down(registry: Path) -> None:
    keys = registry.parent / "keys"
    whole = load_keys(keys)
    (keys / "ed25519-0.pub").write_text("no key", "utf-8")
    found, faults = sound_keys(keys)
    assert (found.keys(), list(faults)) == (whole.keys(), ["ed25519-0.pub"])
    with pytest.raises(CreditError, match=r"ed25519-0\.pub: got"):
        load_keys(keys)


def test_missing_registry_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CreditError) as caught:
        load_champions(tmp_path, {})
    assert caught.value.reason is Reason.MODEL_NOT_FOUND


@pytest.mark.parametrize("where", ["table.json", "golden.csv", "card.md"])
@pytest.mark.parametrize("target", ["nowhere", "itself"])
def test_file_that_cannot_be_read_takes_no_other_model_down(registry: Path, where: str, target: str) -> None:
    broken = registry.parent / "tw_osh_pd" / "2026.11.0" / where
    broken.unlink()
    broken.symlink_to(broken if target == "itself" else "nowhere")
    found, faults = sound_champions(registry.parent, load_keys(registry.parent / "keys"))
    assert (list(found), list(faults)) == (["cn_sim_pd"], ["tw_osh_pd"])
    assert (faults["tw_osh_pd"].reason, "files that can be read" in faults["tw_osh_pd"].message) == (
        Reason.MODEL_INVALID, True,
    )  # fmt: skip


def test_failing_disk_takes_no_other_model_down(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if "tw_osh_pd" in path.parts:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    found, faults = sound_champions(registry.parent, load_keys(registry.parent / "keys"))
    assert (list(found), "Input/output error" in faults["tw_osh_pd"].message) == (["cn_sim_pd"], True)


def test_what_is_handed_out_is_what_was_checked(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes while it is loaded cannot be one thing to the check and another to whoever asks for it."""
    read, seen, keys = Path.read_bytes, list[str](), load_keys(registry.parent / "keys")

    def noting(path: Path) -> bytes:
        seen.append(path.name)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", noting)
    folder = registry.parent / "tw_osh_pd" / "2026.11.0"
    artefact = load(folder, keys)
    assert sorted(seen) == sorted([*FILES, "manifest.json", "manifest.sig"])
    assert {name: read(folder / name) for name in artefact.replayed} == artefact.replayed
    assert {"manifest.json", "manifest.sig", "table.json"} <= artefact.replayed.keys()


@pytest.mark.parametrize("versions", [None, 7, [], {}, {"champion": None}, {"champion": "../cn_sim_pd/2026.11.0"}])
def test_alias_that_is_wrong_takes_no_other_model_down(registry: Path, versions: Any) -> None:
    aliases = {"tw_osh_pd": versions, "cn_sim_pd": {"champion": "2026.11.0"}}
    registry.write_text(json.dumps({"aliases": aliases}), "utf-8")
    found, faults = sound_champions(registry.parent, load_keys(registry.parent / "keys"))
    assert (list(found), faults["tw_osh_pd"].reason) == (["cn_sim_pd"], Reason.MODEL_INVALID)
