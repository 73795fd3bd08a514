"""Commands that ask about one subject: its grade, why, and who asked; and as whom one asks."""

from collections.abc import Iterable
from typing import Annotated, Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from credit_service.cli.connection import (
    EXIT_UNREACHABLE,
    AllOption,
    AsOfOption,
    Connection,
    JsonOption,
    KnownOption,
    LimitOption,
    ProfileOption,
    PurposeOption,
    connect,
    explain_unreachable,
    find_profile,
    frame_of,
    subject_of,
)
from credit_service.cli.holder import read_identity
from credit_service.cli.output import complain, plain, print_json, show, show_table, time_text
from credit_service.cli.pages import LIMIT, collect
from credit_service.errors import CreditError, Reason
from credit_service.legal_days import local_text
from credit_service.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    grades_pb2,
    grades_pb2_grpc,
    rulebook_pb2,
    subjects_pb2,
    subjects_pb2_grpc,
)

HealthCheck = health_pb2.HealthCheckRequest
WITHOUT_NAME = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND})


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (grade, queries, whoami):
        app.command()(command)


def letter(record: grades_pb2.GradeRecord | grades_pb2.GradeRestatement) -> str:
    """Returns the grade of a record as people write it."""
    return _name(record.grade)


def _name(grade: grades_pb2.Grade.ValueType) -> str:
    return grades_pb2.Grade.Name(grade).removeprefix("GRADE_")


def name_of(subject: subjects_pb2.SubjectRef) -> str:
    """Returns a subject as `SCHEME:CODE`."""
    return f"{subject.scheme}:{subject.code}"


def grade(  # noqa: PLR0913  # a command takes each option as an argument
    code: str,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    is_history: Annotated[bool, typer.Option("--history", help="List every recorded grade, newest first.")] = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the grade of one subject, as of any day."""
    connection, subject = connect(profile, purpose), subject_of(code)
    if is_history:
        if as_of or known:
            raise CreditError(Reason.FIELD_INVALID, "history: got a time too, want --history or --as-of and --known")
        _history(connection, subject, as_json=as_json)
        return
    request = grades_pb2.GetGradeRequest(subject=subject, time_frame=frame_of(as_of, known))
    answer = connection.call(grades_pb2_grpc.GradeServiceStub, "GetGrade", request)
    if as_json:
        print_json(plain(answer))
    else:
        show(answer, grade_rows(answer.grade, name_at(connection, subject)), as_json=False)


def _history(connection: Connection, subject: subjects_pb2.SubjectRef, *, as_json: bool) -> None:
    request = grades_pb2.ListGradeHistoryRequest(subject=subject)
    answer = collect(connection, grades_pb2_grpc.GradeServiceStub, "ListGradeHistory", request, None)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (
            time_text(g.as_of_time), letter(g), g.score if g.HasField("score") else "",
            " ".join(v.veto_id for v in g.vetoes), g.override.override_id, g.edition_id, g.model_id, _restated(g),
        )
        for g in answer.grades
    ]  # fmt: skip
    show_table(("recorded", "grade", "score", "vetoes", "override", "edition", "model", "by what is known now"), rows)


def _restated(g: grades_pb2.GradeRecord) -> str:
    """Says what a recorded grade is by what is known now, and which events make the difference."""
    if not g.HasField("restatement"):
        return ""
    one, parts = g.restatement, []
    if one.added_event_ids:
        parts.append(f"with events {', '.join(one.added_event_ids)}")
    if one.gone_event_ids:
        parts.append(f"without events {', '.join(one.gone_event_ids)}")
    score = f" {one.score}" if one.HasField("score") else ""
    return f"{letter(one)}{score} {' and '.join(parts)}"


def name_at(connection: Connection, subject: subjects_pb2.SubjectRef) -> str:
    """Returns the name as far as the caller may see it."""
    request = subjects_pb2.GetSubjectRequest(subject=subject)
    try:
        answer = connection.call(subjects_pb2_grpc.SubjectServiceStub, "GetSubject", request)
    except grpc.RpcError as error:
        if error.code() not in WITHOUT_NAME:
            raise
        return ""
    return str(answer.subject.name)


def grade_rows(g: grades_pb2.GradeRecord, name: str = "") -> list[tuple[str, object]]:
    """Returns a grade as rows for people."""
    rows: list[tuple[str, object]] = [("subject", name_of(g.subject)), ("name", name), ("grade", letter(g))]
    if g.HasField("score"):
        rows += [("score", g.score), ("probability", _chance(g))]
    rows += [("pending", both(g.pending_zh, g.pending_en)), ("set by", _mode(g)), *_changed(g)]
    if g.HasField("class_prior"):
        rows += [("its class", both(g.class_prior.text_zh, g.class_prior.text_en))]
    rows += [("review", "open: an officer has to look" if g.is_review_open else "")]
    rows += [(f"veto {v.veto_id}", _veto(v)) for v in g.vetoes]
    rows += [
        (f"{r.points:+d}", f"{told(r)}{_proof(r.event_ids)}{'; counts by ' if r.bases else ''}{bases_text(r.bases)}")
        for r in g.reasons
    ]
    rows += [("as of", time_text(g.as_of_time)), ("known", time_text(g.known_time))]
    return [*rows, ("edition", g.edition_id), ("model", g.model_id), ("next review", _next_review(g))]


def _chance(g: grades_pb2.GradeRecord) -> str:
    """Says the probability and what it is of; the rules state none."""
    if not g.HasField("probability"):
        return ""
    of = both(g.target_zh, g.target_en)
    return f"{100 * g.probability:.2f} % within 12 months{f', of: {of}' if of else ''}"


def told(part: grades_pb2.GradeReason | grades_pb2.FeaturePoints) -> str:
    """Says a value in both languages, and how it comes about where that needs words."""
    text = both(part.text_zh, readable(part.text_en, part.unit))
    return f"{text} [{both(part.note_zh, part.note_en)}]" if part.note_zh else text


def _mode(g: grades_pb2.GradeRecord) -> str:
    """Says what set the score, where it was not the model alone."""
    if g.is_model_retired:
        return "the rules alone: the model has expired"
    return {"rules": "the rules alone", "bounded": "the model, within reach of the rules' score"}.get(g.mode, "")


def _changed(g: grades_pb2.GradeRecord) -> list[tuple[str, object]]:
    """Says why the grade is not that of the score."""
    rows: list[tuple[str, object]] = [("held", both(g.held_zh, g.held_en))]
    if g.HasField("override"):
        o = g.override
        told = f"two officers set {_name(o.grade)} through {o.last_date} ({o.reason}, {o.override_id})"
        rows.append(("override", told))
    return rows


def _veto(v: grades_pb2.GradeVeto) -> str:
    end = f", lifts {v.until_date}" if v.until_date else ""
    basis = f"; by {bases_text(v.bases or [v.basis])}" if v.HasField("basis") else ""
    return f"{_name(v.cap)} at best{end}: {both(v.text_zh, v.text_en)}{_proof(v.event_ids)}{basis}"


def _next_review(g: grades_pb2.GradeRecord) -> str:
    day = g.next_review_date
    return f"{day}: the first day on which it may change without a new record" if day else ""


def basis_text(basis: rulebook_pb2.LegalBasis) -> str:
    """Returns a legal basis as people cite it; a default of this service has no article."""
    return f"{basis.instrument} {basis.article.strip('-')}".strip()


def bases_text(bases: Iterable[rulebook_pb2.LegalBasis]) -> str:
    """Says by which articles points count, and how sure each text is; where no article of law says so, that."""
    # Beside articles of law, a default is what counts where they do not reach.
    bases = list(bases)
    ours = "no article of law" if len(bases) == 1 else "beyond them"
    return "; ".join(
        f"{ours}: {basis_text(basis)}"
        if basis.source == "default"
        else f"{basis_text(basis)} ({', '.join(filter(None, (basis.role, basis.source)))})"
        for basis in bases
    )


def article_text(cited: str) -> str:
    """Returns a provision as people cite it: `安全生产法/99/2` as 安全生产法 99(2)."""
    instrument, _, rest = cited.partition("/")
    article, *parts = rest.split("/")
    return f"{instrument} {article}{''.join(f'({part})' for part in parts)}".strip()


def both(zh: str, en: str) -> str:
    """Joins what there is of two languages."""
    return " / ".join(filter(None, (zh, en)))


def _proof(event_ids: Any) -> str:
    # Records that are only tried have no place in the ledger: their ids count down from -1.
    named = [f"tried record {i.removeprefix('-')}" if i.startswith("-") else i for i in event_ids]
    return f" (events {', '.join(named)})" if named else ""


def readable(text: str, unit: str) -> str:
    """Keeps a number apart from a unit that begins with one: 3 × 10,000 yuan."""
    return text.replace(f" {unit}", f" × {unit}") if unit[:1].isdigit() else text


def queries(
    code: str,
    limit: LimitOption = LIMIT,
    is_all: AllOption = False,
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """List who asked about a subject, newest first."""
    stub, request = audit_pb2_grpc.AuditServiceStub, audit_pb2.ListQueriesRequest(subject=subject_of(code))
    answer = collect(connect(profile, purpose), stub, "ListQueries", request, None if is_all else limit)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (time_text(q.query_time), q.role, q.agency, q.officer, q.purpose, q.method, q.outcome) for q in answer.queries
    ]
    show_table(("when", "role", "agency", "officer", "purpose", "method", "outcome"), rows)


def whoami(profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """Show as whom the profile calls, and whether the service answers."""
    found = find_profile(profile)
    identity, fault = read_identity(found), ""
    try:
        answer = Connection(found).call(health_pb2_grpc.HealthStub, "Check", HealthCheck(), timeout=5)
        state = str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    except grpc.RpcError as error:
        state, fault = str(error.code().name), explain_unreachable(str(error.details()))
    facts = {
        "identity": identity.uri, "target": found.target, "until": local_text(identity.until), "service": state,
    }  # fmt: skip
    if as_json:
        print_json(facts)
    else:
        show(health_pb2.HealthCheckResponse(), list(facts.items()), as_json=False)
    if fault:
        complain(fault)
    if state != "SERVING":
        raise typer.Exit(EXIT_UNREACHABLE)
