"""Commands that find subjects and screen codes."""

from typing import Annotated

import typer

from credit_service.api.identity import Caller
from credit_service.cli.asking import name_of
from credit_service.cli.connection import (
    AllOption,
    Connection,
    JsonOption,
    LimitOption,
    ProfileOption,
    PurposeOption,
    connect,
    find_profile,
    joined,
    subject_of,
)
from credit_service.cli.ending import ADVICE
from credit_service.cli.holder import read_identity
from credit_service.cli.output import plain, print_json, show, show_table
from credit_service.cli.pages import LIMIT, collect
from credit_service.v1 import subjects_pb2, subjects_pb2_grpc

subject_app = typer.Typer(no_args_is_help=True, help="Find subjects.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(subject_app, name="subject")
    app.command()(screen)


@subject_app.command("get")
def subject_get(
    code: str, profile: ProfileOption = "", purpose: PurposeOption = "", as_json: JsonOption = False
) -> None:
    """Show one subject; CODE is a USCC, or SCHEME:CODE."""
    request = subjects_pb2.GetSubjectRequest(subject=subject_of(code))
    answer = connect(profile, purpose).call(subjects_pb2_grpc.SubjectServiceStub, "GetSubject", request)
    s = answer.subject
    kind = subjects_pb2.SubjectKind.Name(s.kind).removeprefix("SUBJECT_KIND_")
    rows = [
        ("subject", name_of(s.subject)), ("name", s.name), ("kind", kind),
        ("region", s.supervising_region), ("industry", s.industry_code), ("workers", s.headcount or None),
        ("founded", s.founded_date), ("events", s.event_count or None),
    ]  # fmt: skip
    show(answer, rows, as_json=as_json)


@subject_app.command("search")
def subject_search(
    text: str,
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """List subjects by part of a name (two characters suffice) or the beginning of a code."""
    stub, request = subjects_pb2_grpc.SubjectServiceStub, subjects_pb2.SearchSubjectsRequest(query=text)
    answer = collect(connect(profile, purpose), stub, "SearchSubjects", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [(name_of(s.subject), s.name, s.supervising_region) for s in answer.subjects]
    show_table(("subject", "name", "region"), rows)


def screen(
    codes: Annotated[list[str] | None, typer.Argument(help="Codes to screen.")] = None,
    file: Annotated[str, typer.Option("--file", help="File of codes, one a line; - is standard input.")] = "",
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Screen many codes at once; a malformed one answers for itself."""
    wanted, found = joined(codes or [], file), find_profile(profile)
    request = subjects_pb2.ScreenSubjectsRequest(subjects=map(subject_of, wanted))
    answer = Connection(found, purpose).call(subjects_pb2_grpc.SubjectServiceStub, "ScreenSubjects", request)
    if as_json:
        for result in answer.results:
            print_json({"code": wanted[result.index], **plain(result)})
        return
    caller = read_identity(found).caller
    rows = [(wanted[result.index], *_screened(result, caller)) for result in answer.results]
    show_table(("code", "name", "grade", "listings", "problem"), rows)


def _screened(result: subjects_pb2.ScreenResult, caller: Caller) -> tuple[str, str, str, str]:
    if result.problems:
        faults = "; ".join(f"{p.field}: got {p.got}, want {p.want}" for p in result.problems)
        return "", "", "", faults
    if not result.HasField("subject"):
        return "", "", "", "no such subject is known"
    return result.subject.name, result.grade or "none", _listings(result, caller), _ungraded(result)


def _ungraded(result: subjects_pb2.ScreenResult) -> str:
    """Says why a subject has no grade."""
    if not result.HasField("grade_problem"):
        return ""
    problem = result.grade_problem
    return f"no grade: {problem.field}: got {problem.got}, want {problem.want}{ADVICE.get(problem.reason, '')}"


def _listings(result: subjects_pb2.ScreenResult, caller: Caller) -> str:
    """Tells what is not there from what the caller may not see."""
    if result.listing_ids:
        return " ".join(result.listing_ids)
    if caller.role != "regulator":
        return "none published (candidates are not for your role)"
    return "none" if caller.covers(result.subject.supervising_region) else "not for another district"
