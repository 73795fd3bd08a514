"""Commands of remedies: an enterprise objects, asks for repair and for the way to a better grade; officers decide."""

import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_service.cli.asking import name_of
from credit_service.cli.connection import (
    AllOption,
    AsOfOption,
    JsonOption,
    KnownOption,
    LimitOption,
    ProfileOption,
    connect,
    frame_of,
    subject_of,
)
from credit_service.cli.listing_moves import digest_of
from credit_service.cli.output import plain, print_json, say, show, show_table
from credit_service.cli.pages import LIMIT, collect
from credit_service.errors import CreditError, Reason
from credit_service.v1 import grades_pb2, remedies_pb2_grpc
from credit_service.v1 import remedies_pb2 as pb

remedy_app = typer.Typer(no_args_is_help=True, help="Object, ask for repair or early removal, and decide on it.")
Stub: Any = remedies_pb2_grpc.RemedyServiceStub
# What a remedy is against says what is asked for; how its id begins says who decides it how.
DECIDED = {"OBJ": "DecideObjection", "REP": "DecideRepair"}
EARLY_REMOVAL = "DecideEarlyRemoval"
RequestIdOption = Annotated[str, typer.Option("--request-id", help="Id of an earlier try; repeats nothing.")]
DocumentNoOption = Annotated[str, typer.Option("--document-no", help="Number of the decision.")]
DocumentOption = Annotated[str, typer.Option("--document", help="File of the decision; its digest is kept.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Reason, in words for the record.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(remedy_app, name="remedy")


@remedy_app.command("object")
def remedy_object(  # a command takes each option as an argument
    subject: str,
    target: Annotated[str, typer.Option("--against", help="event/ID, listing/ID or grade/SUBJECT.")],
    statement: Annotated[str, typer.Option("--statement", help="Facts and reasons.")],
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Object 异议 to a record, a listing or a grade; it is marked as disputed at once."""
    request = pb.FileObjectionRequest(
        request_id=request_id or str(uuid.uuid4()), subject=subject_of(subject), target=target, statement=statement
    )
    _show(connect(profile).call(Stub, "FileObjection", request), as_json=as_json)


@remedy_app.command("repair")
def remedy_repair(  # a command takes each option as an argument
    subject: str,
    event: Annotated[str, typer.Option("--event", help="The penalty.")],
    commitment: Annotated[str, typer.Option("--commitment", help="Text of the public credit commitment.")],
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask for credit repair 信用修复 of a penalty whose least publicity is over."""
    request = pb.RequestRepairRequest(
        request_id=request_id or str(uuid.uuid4()), subject=subject_of(subject), event_id=event, commitment=commitment
    )
    _show(connect(profile).call(Stub, "RequestRepair", request), as_json=as_json)


@remedy_app.command("leave")
def remedy_leave(
    listing_id: str,
    statement: Annotated[str, typer.Option("--statement", help="How the conditions are met.")],
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Apply for early removal 提前移出 from a list."""
    request = pb.RequestEarlyRemovalRequest(
        request_id=request_id or str(uuid.uuid4()), listing_id=listing_id, statement=statement
    )
    _show(connect(profile).call(Stub, "RequestEarlyRemoval", request), as_json=as_json)


@remedy_app.command("accept")
def remedy_accept(
    remedy_id: str, request_id: RequestIdOption = "", profile: ProfileOption = "", as_json: JsonOption = False
) -> None:
    """Accept an application for early removal, so that its conditions are verified."""
    request = pb.AcceptEarlyRemovalRequest(request_id=request_id or str(uuid.uuid4()), remedy_id=remedy_id)
    _show(connect(profile).call(Stub, "AcceptEarlyRemoval", request), as_json=as_json)


@remedy_app.command("decide")
def remedy_decide(  # noqa: PLR0913  # a command takes each option as an argument
    remedy_id: str,
    outcome: Annotated[bool, typer.Option("--grant/--dismiss", help="Grant or uphold it, or dismiss it.")],
    document_no: DocumentNoOption = "",
    document: DocumentOption = "",
    reason: ReasonOption = "",
    performed: Annotated[bool, typer.Option("--performed", help="Every duty of the penalty is performed.")] = False,
    corrected: Annotated[bool, typer.Option("--corrected", help="The conduct was corrected (repair).")] = False,
    removed: Annotated[bool, typer.Option("--harm-removed", help="The harm was removed (early removal).")] = False,
    amended: Annotated[bool, typer.Option("--amended", help="The source amended the record since.")] = False,
    event: Annotated[list[str] | None, typer.Option("--event", help="Wrong event behind a disputed grade.")] = None,
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Decide an objection, a repair or an early removal; whatever is granted takes effect at once."""
    method = DECIDED.get(remedy_id.partition("-")[0], EARLY_REMOVAL)
    fields = getattr(pb, f"{method}Request").DESCRIPTOR.fields_by_name
    options = {
        "is_penalty_performed": "--performed", "is_conduct_corrected": "--corrected",
        "is_harm_removed": "--harm-removed", "is_amended_by_source": "--amended", "event_ids": "--event",
    }  # fmt: skip
    said = {
        "is_penalty_performed": performed, "is_conduct_corrected": corrected, "is_harm_removed": removed,
        "is_amended_by_source": amended, "event_ids": event or [],
    }  # fmt: skip
    if wrong := [name for name, value in said.items() if value and name not in fields]:
        raise CreditError(
            Reason.SETTING_INVALID, f"{options[wrong[0]]}: got a value, want none: {remedy_id} does not ask for it"
        )
    given = {
        name: value for name, value in {**said, "is_upheld": outcome, "is_granted": outcome}.items() if name in fields
    }
    request = _signed(method, remedy_id, (document_no, document, reason), request_id, **given)
    _show(connect(profile).call(Stub, method, request), as_json=as_json)


@remedy_app.command("revoke")
def remedy_revoke(  # noqa: PLR0913  # a command takes each option as an argument
    remedy_id: str,
    document_no: DocumentNoOption = "",
    document: DocumentOption = "",
    reason: ReasonOption = "",
    request_id: RequestIdOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Revoke a repair that was obtained by false proof: the record counts again."""
    request = _signed("RevokeRepair", remedy_id, (document_no, document, reason), request_id)
    _show(connect(profile).call(Stub, "RevokeRepair", request), as_json=as_json)


@remedy_app.command("list")
def remedy_list(  # noqa: PLR0913  # a command takes each option as an argument
    subject: Annotated[str, typer.Option("--subject", help="Only this subject.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="OBJECTION or REPAIR.")] = "",
    state: Annotated[str, typer.Option("--state", help="FILED, GRANTED, DISMISSED or REVOKED.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those after their last day.")] = False,
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """List objections and repairs: an enterprise's own, or those of the officer's jurisdiction, next deadline first."""
    request = pb.ListRemediesRequest(kind=kind.upper(), state=state.upper(), is_overdue_only=overdue)
    if subject:
        request.subject.CopyFrom(subject_of(subject))
    answer = collect(connect(profile), Stub, "ListRemedies", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (
            r.due_date + (" (provisional)" if r.is_provisional else ""), "OVERDUE" if r.is_overdue else "", r.state,
            r.kind, r.remedy_id, name_of(r.subject), r.target, r.moves[0].reason if r.moves else "",
        )
        for r in answer.remedies
    ]  # fmt: skip
    show_table(("last day", "", "state", "kind", "remedy", "subject", "against", "statement"), rows)


@remedy_app.command("plan")
def remedy_plan(
    subject: str,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the shortest lawful way to a better grade: which steps, from which days."""
    request = pb.PlanRepairRequest(subject=subject_of(subject), time_frame=frame_of(as_of, known))
    answer = connect(profile).call(Stub, "PlanRepair", request)
    if as_json:
        print_json(plain(answer))
        return
    rows = [("now", _letter(answer.grade), "", "", "", "")]
    for path in answer.paths:
        rows.append((path.reach_date, _letter(path.grade), "", "", "" if path.steps else "等待 / wait", ""))
        for step in path.steps:
            bases = ", ".join(dict.fromkeys(basis.instrument for basis in step.bases))
            rows.append(("", "", step.from_date, step.target, f"{step.text_zh} / {step.text_en}", bases))
    show_table(("grade on", "grade", "step from", "about", "what to do", "basis"), rows)
    if not answer.paths:
        say(f"no better grade until {answer.horizon_date} by what is known")
    for zh, en in zip(answer.unmet_zh, answer.unmet_en, strict=True):
        say(f"grade A also asks for: {zh} / {en}")


def _signed(method: str, remedy_id: str, document: tuple[str, str, str], request_id: str, **given: Any) -> Any:
    document_no, file, reason = document
    digest = digest_of(Path(file)) if file else None
    return getattr(pb, f"{method}Request")(
        request_id=request_id or str(uuid.uuid4()), remedy_id=remedy_id, document_no=document_no, reason=reason,
        document_digest=digest, **given,
    )  # fmt: skip


def _letter(grade: grades_pb2.Grade.ValueType) -> str:
    return grades_pb2.Grade.Name(grade).removeprefix("GRADE_")


def _show(answer: Any, *, as_json: bool) -> None:
    x = answer.remedy
    rows = [("remedy", x.remedy_id), ("kind", x.kind), ("against", x.target), ("state", x.state)]
    if x.due_date:
        rows.append(("decision due", x.due_date + (" (provisional)" if x.is_provisional else "")))
    show(answer, rows, as_json=as_json)
