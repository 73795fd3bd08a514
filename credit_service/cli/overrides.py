"""Commands by which officers decide on grades: overrides by two of them, reviews by one; and what-if for everybody."""

import json
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_service.api.wire import draft_of
from credit_service.cli.asking import grade_rows, letter, name_of
from credit_service.cli.connection import (
    AllOption,
    AsOfOption,
    JsonOption,
    KnownOption,
    LimitOption,
    ProfileOption,
    connect,
    frame_of,
    read_text,
    subject_of,
)
from credit_service.cli.listing_moves import digest_of
from credit_service.cli.output import plain, print_json, say, show, show_table
from credit_service.cli.pages import LIMIT, collect
from credit_service.errors import CreditError, Reason, shown
from credit_service.v1 import digests_pb2, grades_pb2_grpc, ledger_pb2
from credit_service.v1 import grades_pb2 as pb

override_app = typer.Typer(
    no_args_is_help=True, help="Override 人工调整 a grade: one officer proposes, another decides."
)
review_app = typer.Typer(no_args_is_help=True, help="Review 人工复核 scores below the D edge without a hard record.")
Stub: Any = grades_pb2_grpc.GradeServiceStub
RequestIdOption = Annotated[str, typer.Option("--request-id", help="Id of an earlier try; repeats nothing.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Reason, in words for the record.")]
UntilOption = Annotated[str, typer.Option("--until", help="Last civil day, such as 2027-03-31.")]
DocumentNoOption = Annotated[str, typer.Option("--document-no", help="Number of the document.")]
DocumentOption = Annotated[str, typer.Option("--document", help="File of the document; its digest is kept.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(override_app, name="override")
    app.add_typer(review_app, name="review")
    app.command("try")(try_grade)


@override_app.command("propose")
def override_propose(  # noqa: PLR0913  # a command takes each option as an argument
    subject: str,
    grade: Annotated[str, typer.Option("--grade", help="Grade to show: A, B, C or D.")],
    code: Annotated[
        str, typer.Option("--code", help="Reason code, such as EVIDENCE; another word is answered with all of them.")
    ],
    until: UntilOption,
    document_no: DocumentNoOption = "",
    document: DocumentOption = "",
    reason: ReasonOption = "",
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Propose to override a grade until a day; nothing changes before another officer confirms it."""
    name = f"GRADE_{grade.upper()}"
    if name not in pb.Grade.keys()[1:]:
        raise CreditError(Reason.ENUM_UNKNOWN, f"--grade: got {grade}, want A, B, C or D")
    request = pb.OverrideGradeRequest(
        request_id=request_id or str(uuid.uuid4()), subject=subject_of(subject), grade=pb.Grade.Value(name),
        reason=reason, reason_code=code, until_date=until, document_no=document_no, document_digest=_digest(document),
    )  # fmt: skip
    _show(connect(profile).call(Stub, "OverrideGrade", request), as_json=as_json)


@override_app.command("confirm")
def override_confirm(
    override_id: str,
    reason: ReasonOption = "",
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Confirm an override as the second officer; it is in force at once."""
    _decide(override_id, reason, request_id, profile, is_confirmed=True, as_json=as_json)


@override_app.command("decline")
def override_decline(
    override_id: str,
    reason: ReasonOption = "",
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Decline a proposed override."""
    _decide(override_id, reason, request_id, profile, is_confirmed=False, as_json=as_json)


@override_app.command("end")
def override_end(
    override_id: str,
    reason: ReasonOption = "",
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """End an override before its last day."""
    request = pb.EndOverrideRequest(request_id=request_id or str(uuid.uuid4()), override_id=override_id, reason=reason)
    _show(connect(profile).call(Stub, "EndOverride", request), as_json=as_json)


@override_app.command("list")
def override_list(
    subject: Annotated[str, typer.Option("--subject", help="Only those of one subject.")] = "",
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """List overrides and decided reviews, newest first."""
    request = pb.ListOverridesRequest(subject=subject_of(subject) if subject else None)
    answer = collect(connect(profile), Stub, "ListOverrides", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (
            o.override_id, o.state, name_of(o.subject), pb.Grade.Name(o.grade).removeprefix("GRADE_"), o.reason,
            o.last_date, ", ".join(f"{m.name} {m.actor}" for m in o.moves),
        )
        for o in answer.overrides
    ]  # fmt: skip
    show_table(("override", "state", "subject", "grade", "reason", "until", "by"), rows)


@review_app.command("list")
def review_list(
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the grades under review."""
    answer = collect(connect(profile), Stub, "ListReviews", pb.ListReviewsRequest(), None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (name_of(g.subject), letter(g), g.score, "; ".join(r.text_zh or r.text_en for r in g.reasons))
        for g in answer.grades
    ]
    show_table(("subject", "grade", "score", "points were lost by"), rows)


@review_app.command("keep")
def review_keep(  # noqa: PLR0913  # a command takes each option as an argument
    subject: str,
    until: UntilOption,
    document_no: DocumentNoOption = "",
    document: DocumentOption = "",
    reason: ReasonOption = "",
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Decide that a grade stays as it is until a day; a worse one needs `override propose`."""
    request = pb.DecideReviewRequest(
        request_id=request_id or str(uuid.uuid4()), subject=subject_of(subject), reason=reason, last_date=until,
        document_no=document_no, document_digest=_digest(document),
    )  # fmt: skip
    answer = connect(profile).call(Stub, "DecideReview", request)
    show(answer, grade_rows(answer.grade), as_json=as_json)


def try_grade(  # noqa: PLR0913  # a command takes each option as an argument
    subject: str,
    events: Annotated[str, typer.Option("--events", help="File of records taken as sent, a JSON object a line.")] = "",
    without: Annotated[list[str] | None, typer.Option("--without", help="Event taken as withdrawn.")] = None,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Grade a subject as if records had been sent or withdrawn; nothing is kept."""
    request = pb.TryGradeRequest(
        subject=subject_of(subject), time_frame=frame_of(as_of, known), without_event_ids=without or [],
        events=_tried(Path(events)) if events else [],
    )  # fmt: skip
    answer = connect(profile).call(Stub, "TryGrade", request)
    if not as_json:
        say(f"grade {letter(answer.grade_before)} → {letter(answer.grade)}")
    show(answer, grade_rows(answer.grade), as_json=as_json)


def _tried(file: Path) -> list[ledger_pb2.EventDraft]:
    """Reads records, a JSON object a line; fails with FILE_INVALID naming the line."""
    drafts = []
    for number, line in enumerate(read_text("events", file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            text = f"events: got {shown(line, 40)} in line {number} of {file}, want a JSON object a line"
            raise CreditError(Reason.FILE_INVALID, text, file=str(file))
        drafts.append(draft_of(record))
    return drafts


def _digest(document: str) -> digests_pb2.Digest | None:
    return digest_of(Path(document)) if document else None


def _decide(override_id: str, reason: str, request_id: str, profile: str, *, is_confirmed: bool, as_json: bool) -> None:
    request = pb.DecideOverrideRequest(
        request_id=request_id or str(uuid.uuid4()), override_id=override_id, is_confirmed=is_confirmed, reason=reason
    )
    _show(connect(profile).call(Stub, "DecideOverride", request), as_json=as_json)


def _show(answer: Any, *, as_json: bool) -> None:
    o = answer.override
    rows = [
        ("override", o.override_id), ("state", o.state), ("sets", pb.Grade.Name(o.grade).removeprefix("GRADE_")),
        ("until", o.last_date), *grade_rows(answer.grade),
    ]  # fmt: skip
    show(answer, rows, as_json=as_json)
