"""The command that explains a grade, on the terminal, as a bundle and as a sheet."""

from pathlib import Path
from typing import Annotated

import grpc
import typer

from credit_service.cli.asking import article_text, bases_text, both, grade_rows, name_at, told
from credit_service.cli.bundles import make_bundle, make_sheet
from credit_service.cli.connection import (
    AsOfOption,
    Connection,
    JsonOption,
    KnownOption,
    ProfileOption,
    PurposeOption,
    connect,
    frame_of,
    subject_of,
)
from credit_service.cli.output import plain, print_json, say, show, show_table
from credit_service.v1 import grades_pb2, grades_pb2_grpc, remedies_pb2, remedies_pb2_grpc

ABOUT_BASES = (
    "counts by: duty: what the article asks of the enterprise; authority: by what the regulator may weigh it; "
    "law: text read; verify: text still to be checked"
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)


def explain(  # noqa: PLR0913  # a command takes each option as an argument
    code: str,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    bundle: Annotated[
        str, typer.Option("--bundle", help="File for what a stranger computes the grade again from.")
    ] = "",
    sheet: Annotated[str, typer.Option("--sheet", help="File for a page to print, in Chinese.")] = "",
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain a grade point by point, with the records behind each; `event show` shows a record."""
    connection, subject = connect(profile, purpose), subject_of(code)
    request = grades_pb2.ExplainGradeRequest(subject=subject, time_frame=frame_of(as_of, known))
    answer = connection.call(grades_pb2_grpc.GradeServiceStub, "ExplainGrade", request)
    if bundle:
        Path(bundle).write_bytes(make_bundle(connection, answer))
    if sheet:
        Path(sheet).write_text(make_sheet(answer, name_at(connection, subject), _plan(connection, request)), "utf-8")
    if as_json:
        print_json(plain(answer))
        return
    show(answer, grade_rows(answer.grade, name_at(connection, subject)), as_json=False)
    if answer.grade.HasField("score"):
        _show_points(answer)
    if answer.findings:
        found = [
            (f.rule_id, f.effect, f.found_date, both(f.text_zh, f.text_en), " ".join(f.event_ids), bases_text(f.bases))
            for f in answer.findings
        ]
        show_table(("rule", "effect", "since", "text", "events", "by"), found)
    unmet = [("not met for A", both(zh, en)) for zh, en in zip(answer.unmet_zh, answer.unmet_en, strict=True)]
    unmet += [("disputed", target) for target in answer.disputed_targets]
    unmet += [("used then, not now", f"event {event_id}") for event_id in answer.lapsed_event_ids]
    if unmet:
        show(answer, unmet, as_json=False)


def _show_points(answer: grades_pb2.ExplainGradeResponse) -> None:
    rows: list[tuple[str, int, object, str, str]] = [("base", answer.base_points, "", "", "")]
    rows += [
        (told(f), f.points, f.best_points, bases_text(f.bases), " ".join(f.event_ids)) for f in answer.features
    ]  # fmt: skip
    rows.append(("score", sum(row[1] for row in rows), "", "", ""))
    show_table(("feature", "points", "best", "counts by", "events"), rows)
    if answer.exposure:
        moved = [
            (told(f), f"{f.points:+}", bases_text(f.bases), " ".join(f.event_ids)) for f in answer.exposure
        ]  # fmt: skip
        show_table(("exposure", "points of the probability alone", "counts by", "events"), moved)
    if any(f.bases for f in answer.features):
        say(ABOUT_BASES)
    if answer.cited:
        cited = [(one.event_id, "; ".join(map(article_text, one.articles))) for one in answer.cited]
        show_table(("event", "articles that the record itself cites"), cited)


def _plan(connection: Connection, asked: grades_pb2.ExplainGradeRequest) -> remedies_pb2.PlanRepairResponse | None:
    """Returns the way to a better grade, as far as there is a grade to plan from."""
    request = remedies_pb2.PlanRepairRequest(subject=asked.subject, time_frame=asked.time_frame)
    try:
        answer: remedies_pb2.PlanRepairResponse = connection.call(
            remedies_pb2_grpc.RemedyServiceStub, "PlanRepair", request
        )
    except grpc.RpcError:
        return None
    return answer
