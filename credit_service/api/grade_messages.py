"""Grades and overrides as messages: what is kept becomes what is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from credit_service.api import wire
from credit_service.grades.artefact import Artefact
from credit_service.grades.features import BY_NAME
from credit_service.grades.overrides import OverrideMoveRow, state_of
from credit_service.grades.targets import TARGETS
from credit_service.legal_days import day_text
from credit_service.v1 import grades_pb2 as pb
from credit_service.v1 import rulebook_pb2

# By model, in Chinese and in English.
Targets = Mapping[str, tuple[str, str]]


def grade_message(document: Mapping[str, Any], frame: tuple[datetime, datetime]) -> pb.GradeRecord:
    """Returns the after-image of a grade as a message at a time frame; what was not computed stays absent."""
    record = untimed_message(document)
    state_frame(record, frame)
    return record


def state_frame(record: pb.GradeRecord, frame: tuple[datetime, datetime]) -> None:
    """States the time frame that a grade was asked for."""
    as_of, known = frame
    record.as_of_time.CopyFrom(stated := wire.timestamp(as_of))
    record.known_time.CopyFrom(stated if known is as_of else wire.timestamp(known))


def untimed_message(document: Mapping[str, Any]) -> pb.GradeRecord:
    """Returns the after-image of a grade as a message without a time frame."""
    record = pb.GradeRecord(
        subject=wire.ref_of(document["subject_id"]), grade=pb.Grade.Value(f"GRADE_{document['grade']}"),
        score=document.get("score"), probability=document.get("probability"),
        pending_zh=document.get("pending_zh"), pending_en=document.get("pending_en"),
        is_review_open=document["is_review_open"], edition_id=document["edition_id"],
        model_id=document.get("model_id"), next_review_date=document.get("next_review_date"),
        mode=document.get("mode", ""), is_model_retired=document.get("is_retired", False),
        held_zh=document.get("held_zh"), held_en=document.get("held_en"),
    )  # fmt: skip
    if "earned_grade" in document:
        record.earned_grade = pb.Grade.Value(f"GRADE_{document['earned_grade']}")
    if "class_prior" in document:
        record.class_prior.CopyFrom(pb.ClassPrior(**document["class_prior"]))
    if "override" in document:
        override = document["override"]
        record.override.CopyFrom(
            pb.AppliedOverride(**{**override, "grade": pb.Grade.Value(f"GRADE_{override['grade']}")})
        )
    for reason in document["reasons"]:
        record.reasons.add(
            feature=reason["feature"], value=reason.get("value"), unit=reason["unit"], points=reason["points"],
            is_actionable=reason["is_actionable"], text_zh=reason["text_zh"], text_en=reason["text_en"],
            event_ids=map(str, reason["event_ids"]),
            **note_of(reason["feature"], reason.get("value"), reason["event_ids"]),
        )  # fmt: skip
    for veto in document["vetoes"]:
        record.vetoes.add(
            veto_id=veto["veto_id"], cap=pb.Grade.Value(f"GRADE_{veto['cap']}"), until_date=veto["until_date"],
            event_ids=map(str, veto["event_ids"]), text_zh=veto["text_zh"], text_en=veto["text_en"],
            basis=rulebook_pb2.LegalBasis(
                instrument=veto["instrument"], article=veto["article"], source=veto["source"]
            ),
        )  # fmt: skip
    return record


def note_of(feature: str, value: float | None, event_ids: Sequence[int]) -> dict[str, str]:
    """Returns how a value comes about, by the names of the contract; empty where it needs no words."""
    found = BY_NAME.get(feature)
    if found is None or found.note is None or value is None:
        return {}
    return dict(zip(("note_zh", "note_en"), found.note(value, len(event_ids)), strict=True))


def targets_of(models: Sequence[Artefact]) -> Targets:
    """Returns by model what its probability is of, as its signed task defines it."""
    tasks = {artefact.scorecard.model_id: str(artefact.manifest["task"]) for artefact in models}
    return {model_id: TARGETS[task] for model_id, task in tasks.items() if task in TARGETS}


def state_target(record: pb.GradeRecord, targets: Targets) -> None:
    """States what the probability is of; nothing of a model that is not here."""
    target = targets.get(record.model_id)
    if target is not None and record.HasField("probability"):
        record.target_zh, record.target_en = target


def override_message(made: Sequence[OverrideMoveRow], today: int) -> pb.Override:
    """Returns an override or review with its moves."""
    first = made[0]
    return pb.Override(
        override_id=first.override_id, subject=wire.ref_of(first.subject_id), reason=first.reason_code,
        grade=pb.Grade.Value(f"GRADE_{first.grade}"), last_date=day_text(first.last_day),
        state=state_of(made, today), moves=map(_move, made),
    )  # fmt: skip


def _move(row: OverrideMoveRow) -> pb.OverrideMove:
    digest = wire.digest(bytes.fromhex(row.document_digest)) if row.document_digest else None
    return pb.OverrideMove(
        name=row.name, move_time=wire.timestamp(row.move_time), actor=row.actor, reason=row.reason,
        document_no=row.document_no, document_digest=digest,
    )  # fmt: skip
