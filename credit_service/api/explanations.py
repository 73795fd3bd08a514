"""An explanation as a message, and as the document whose bytes are the same whenever the question is asked again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from credit_service.api.bases import basis_document, basis_messages, state_bases
from credit_service.api.grade_messages import grade_message, note_of
from credit_service.grades.grading import Explained, Graded
from credit_service.grades.scorecard import Contribution
from credit_service.legal_days import day_text
from credit_service.rulebook.evaluate import Finding
from credit_service.rulebook.law import Edition
from credit_service.v1 import grades_pb2 as pb


def explanation_message(
    edition: Edition, explained: Explained, findings: Sequence[Finding], frame: tuple[datetime, datetime]
) -> pb.ExplainGradeResponse:
    """Returns an explanation with the findings that the caller may see."""
    graded: Graded = explained.graded
    response = pb.ExplainGradeResponse(
        grade=grade_message(graded.document(), frame), base_points=explained.base_points,
        findings=[_finding(edition, one) for one in findings], unmet_zh=[s.text_zh for s in graded.unmet],
        unmet_en=[s.text_en for s in graded.unmet],
        cited=[pb.CitedLaw(event_id=str(event_id), articles=articles) for event_id, articles in explained.cited],
        document=_document(edition, explained, findings),
    )  # fmt: skip
    state_bases(response.grade, edition, graded.as_of_day)
    for told, parts in ((response.features, explained.contributions), (response.exposure, explained.exposure)):
        for part in parts:
            told.add(
                feature=part.feature, value=part.value, unit=part.unit, points=part.points,
                best_points=part.best_points, text_zh=part.text_zh, text_en=part.text_en,
                event_ids=map(str, part.event_ids), bases=basis_messages(part.bases),
                **note_of(part.feature, part.value, part.event_ids),
            )  # fmt: skip
    return response


def _finding(edition: Edition, finding: Finding) -> pb.Finding:
    bases = next((rule.bases for rule in edition.rules if rule.id == finding.rule_id), ())
    return pb.Finding(
        rule_id=finding.rule_id, list=finding.list, effect=finding.effect, event_ids=map(str, finding.event_ids),
        found_date=day_text(finding.found_day), text_zh=finding.text_zh, text_en=finding.text_en,
        bases=basis_messages(bases),
    )  # fmt: skip


def _document(edition: Edition, explained: Explained, findings: Sequence[Finding]) -> bytes:
    graded, features = explained.graded, [_part(part) for part in explained.contributions]
    bases = {feature["feature"]: feature["bases"] for feature in features}
    document = {
        **graded.document(), "base_points": explained.base_points, "features": features,
        **({"exposure": [_part(part) for part in explained.exposure]} if explained.exposure else {}),
        "reasons": [reason.document() | {"bases": bases[reason.feature]} for reason in graded.reasons],
        "cited": {str(event_id): list(articles) for event_id, articles in explained.cited},
        "findings": [[f.rule_id, f.list, f.effect, list(f.event_ids), day_text(f.found_day)] for f in findings],
        "unmet": [s.id for s in graded.unmet],
    }  # fmt: skip
    if graded.score is not None:
        document["letter"] = {
            "bands": dict(edition.grading.bands), "has_hard_record": explained.has_hard_record,
            "cycles": [[day_text(day), score] for day, score in explained.cycles],
        }  # fmt: skip
        if edition.grading.stability is not None:
            stability = edition.grading.stability
            document["letter"] |= {"buffer": stability.buffer, "upgrade_cycles": stability.upgrade_cycles}
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _part(part: Contribution) -> dict[str, Any]:
    return {**asdict(part), "bases": [basis_document(basis) for basis in part.bases]}
