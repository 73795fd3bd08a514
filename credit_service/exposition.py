"""The text form of Prometheus: how a family of samples is written, and a file of them as a whole."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> list[str]:
    """Returns the samples of one name with what they mean."""
    full = f"safety_credit_{name}"
    return [
        f"# HELP {full} {text}", f"# TYPE {full} {kind}",
        *(f"{full}{suffix}{_text(labels)} {value:.15g}" for suffix, labels, value in samples),
    ]  # fmt: skip


def write(path: Path, lines: Iterable[str]) -> None:
    """Writes the file as a whole or not at all; a collector of another user may read it."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    os.chmod(draft, 0o644)
    draft.replace(path)


def _text(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
