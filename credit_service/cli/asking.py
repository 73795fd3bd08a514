"""Commands that ask: subjects, grades, listings, rules, queries."""

from typing import Annotated

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from credit_service.cli.connection import (
    AsOfOption,
    JsonOption,
    KnownOption,
    ProfileOption,
    PurposeOption,
    connect,
    frame_of,
    joined,
    read_profile,
    subject_of,
)
from credit_service.cli.output import plain, print_json, show, show_table
from credit_service.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    grades_pb2,
    grades_pb2_grpc,
    listings_pb2,
    listings_pb2_grpc,
    rulebook_pb2,
    rulebook_pb2_grpc,
    subjects_pb2,
    subjects_pb2_grpc,
)

subject_app = typer.Typer(no_args_is_help=True, help="Find subjects.")
listing_app = typer.Typer(no_args_is_help=True, help="Show listings and candidates.")
rulebook_app = typer.Typer(no_args_is_help=True, help="Show the rules.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(subject_app, name="subject")
    app.add_typer(listing_app, name="listing")
    app.add_typer(rulebook_app, name="rulebook")
    for command in (grade, explain, screen, queries, whoami):
        app.command()(command)


def letter(record: grades_pb2.GradeRecord) -> str:
    """Returns the grade of a record as people write it."""
    return grades_pb2.Grade.Name(record.grade).removeprefix("GRADE_")


def name_of(subject: subjects_pb2.SubjectRef) -> str:
    """Returns a subject as `SCHEME:CODE`."""
    return f"{subject.scheme}:{subject.code}"


@subject_app.command("get")
def subject_get(
    code: str, profile: ProfileOption = "", purpose: PurposeOption = "", as_json: JsonOption = False
) -> None:
    """Show one subject; CODE is a USCC, or SCHEME:CODE."""
    request = subjects_pb2.GetSubjectRequest(subject=subject_of(code))
    answer = connect(profile, purpose).call(subjects_pb2_grpc.SubjectServiceStub, "GetSubject", request)
    s = answer.subject
    rows = [
        ("subject", name_of(s.subject)), ("name", s.name), ("kind", subjects_pb2.SubjectKind.Name(s.kind)),
        ("region", s.supervising_region), ("industry", s.industry_code), ("workers", s.headcount or None),
        ("founded", s.founded_date), ("events", s.event_count or None),
    ]  # fmt: skip
    show(answer, rows, as_json=as_json)


@subject_app.command("search")
def subject_search(
    text: str, limit: int = 50, profile: ProfileOption = "", purpose: PurposeOption = "", as_json: JsonOption = False
) -> None:
    """List subjects by part of a name (two characters suffice) or the beginning of a code."""
    request = subjects_pb2.SearchSubjectsRequest(query=text, page_size=limit)
    answer = connect(profile, purpose).call(subjects_pb2_grpc.SubjectServiceStub, "SearchSubjects", request)
    if as_json:
        print_json(plain(answer))
        return
    rows = [(name_of(s.subject), s.name, s.supervising_region) for s in answer.subjects]
    show_table(("subject", "name", "region"), rows)


def grade(
    code: str,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the grade of one subject, as of any day."""
    request = grades_pb2.GetGradeRequest(subject=subject_of(code), time_frame=frame_of(as_of, known))
    answer = connect(profile, purpose).call(grades_pb2_grpc.GradeServiceStub, "GetGrade", request)
    show(answer, grade_rows(answer.grade), as_json=as_json)


def grade_rows(g: grades_pb2.GradeRecord) -> list[tuple[str, object]]:
    """Returns a grade as rows for people."""
    rows: list[tuple[str, object]] = [("subject", name_of(g.subject)), ("grade", letter(g))]
    if g.HasField("score"):
        rows += [("score", g.score), ("probability", f"{100 * g.probability:.2f} % in 12 months")]
    rows += [("pending", g.pending_zh), ("review", "open: an officer has to look" if g.is_review_open else "")]
    rows += [(f"veto {v.veto_id}", f"{v.text_zh} / {v.text_en}") for v in g.vetoes]
    rows += [(f"{r.points:+d}", f"{r.text_zh} / {r.text_en} (events {', '.join(r.event_ids)})") for r in g.reasons]
    return [*rows, ("edition", g.edition_id), ("model", g.model_id), ("next review", g.next_review_date)]


def explain(
    code: str,
    as_of: AsOfOption = "",
    known: KnownOption = "",
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain a grade point by point, with the records behind each."""
    request = grades_pb2.ExplainGradeRequest(subject=subject_of(code), time_frame=frame_of(as_of, known))
    answer = connect(profile, purpose).call(grades_pb2_grpc.GradeServiceStub, "ExplainGrade", request)
    show(answer, grade_rows(answer.grade), as_json=as_json)
    if as_json:
        return
    rows = [("base", "", answer.base_points, "", "")]
    rows += [
        (
            f.text_zh,
            f"{f.value:g} {f.unit}" if f.HasField("value") else "-",
            f.points,
            f.best_points,
            " ".join(f.event_ids),
        )
        for f in answer.features
    ]
    rows.append(("score", "", sum(row[2] for row in rows), "", ""))
    show_table(("feature", "value", "points", "best", "events"), rows)
    if answer.findings:
        found = [(f.rule_id, f.effect, f.found_date, f.text_zh, " ".join(f.event_ids)) for f in answer.findings]
        show_table(("rule", "effect", "since", "text", "events"), found)
    for text in answer.unmet_zh:
        show(answer, [("not met for A", text)], as_json=False)


def screen(
    codes: Annotated[list[str] | None, typer.Argument(help="Codes to screen.")] = None,
    file: str = "",
    profile: ProfileOption = "",
    purpose: PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Screen many codes at once; a malformed one answers for itself."""
    wanted = joined(codes or [], file)
    request = subjects_pb2.ScreenSubjectsRequest(subjects=map(subject_of, wanted))
    answer = connect(profile, purpose).call(subjects_pb2_grpc.SubjectServiceStub, "ScreenSubjects", request)
    if as_json:
        for result in answer.results:
            print_json({"code": wanted[result.index], **plain(result)})
        return
    rows = [
        (
            wanted[r.index],
            r.subject.name,
            r.grade,
            " ".join(r.listing_ids),
            "; ".join(f"{p.field}: got {p.got}, want {p.want}" for p in r.problems),
        )
        for r in answer.results
    ]
    show_table(("code", "name", "grade", "listings", "problem"), rows)


@listing_app.command("list")
def listing_list(
    state: str = "CANDIDATE",
    subject: str = "",
    limit: int = 50,
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """List listings, newest first."""
    request = listings_pb2.SearchListingsRequest(page_size=limit)
    if state:
        request.state = listings_pb2.ListingState.Value(f"LISTING_STATE_{state.upper()}")
    if subject:
        request.subject.CopyFrom(subject_of(subject))
    answer = connect(profile, "listing list").call(listings_pb2_grpc.ListingServiceStub, "SearchListings", request)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (x.listing_id, name_of(x.subject), x.subject_name, x.rule_id, x.text_zh, " ".join(x.event_ids))
        for x in answer.listings
    ]
    show_table(("listing", "subject", "name", "rule", "text", "proof"), rows)


@listing_app.command("show")
def listing_show(listing_id: str, profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """Show one listing with its legal bases and moves."""
    request = listings_pb2.GetListingRequest(listing_id=listing_id)
    answer = connect(profile, "listing show").call(listings_pb2_grpc.ListingServiceStub, "GetListing", request)
    x = answer.listing
    rows = [("listing", x.listing_id), ("subject", name_of(x.subject)), ("name", x.subject_name)]
    rows += [
        ("state", listings_pb2.ListingState.Name(x.state)),
        ("rule", x.rule_id),
        ("finding", f"{x.text_zh} / {x.text_en}"),
    ]
    rows += [("basis", f"{b.instrument} {b.article} ({b.source})") for b in x.bases]
    rows += [("proof", " ".join(x.event_ids))]
    rows += [("move", f"{m.move_time.ToJsonString()} {m.actor}: {m.reason}") for m in x.moves]
    show(answer, rows, as_json=as_json)


@rulebook_app.command("show")
def rulebook_show(edition: str = typer.Argument(""), profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """Show an edition; by default the one in force today."""
    request = rulebook_pb2.GetRulebookRequest(edition_id=edition)
    answer = connect(profile).call(rulebook_pb2_grpc.RulebookServiceStub, "GetRulebook", request)
    if as_json:
        print_json(plain(answer))
        return
    e = answer.edition
    show(
        answer,
        [("edition", e.edition_id), ("from", e.valid_from), ("schemes", " ".join(e.schemes)), ("model", e.model)],
        as_json=False,
    )
    rows = [
        (
            r.rule_id,
            r.list,
            r.effect,
            r.term,
            "; ".join(f"{b.instrument} {b.article} ({b.source})" for b in r.bases),
            r.text_zh,
        )
        for r in e.rules
    ]
    show_table(("rule", "list", "effect", "term", "basis", "text"), rows)


def queries(code: str, limit: int = 50, profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """List who asked about a subject, newest first."""
    request = audit_pb2.ListQueriesRequest(subject=subject_of(code), page_size=limit)
    answer = connect(profile).call(audit_pb2_grpc.AuditServiceStub, "ListQueries", request)
    if as_json:
        print_json(plain(answer))
        return
    rows = [
        (q.query_time.ToJsonString(), q.role, q.agency, q.officer, q.purpose, q.method, q.outcome)
        for q in answer.queries
    ]
    show_table(("when", "role", "agency", "officer", "purpose", "method", "outcome"), rows)


def whoami(profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """Show as whom the profile calls, and whether the service answers."""
    from cryptography import x509  # only this command reads a certificate

    found = read_profile(profile)
    with open(found.certificate, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    identity = str(names.get_values_for_type(x509.UniformResourceIdentifier)[0])
    try:
        answer = connect(profile).call(health_pb2_grpc.HealthStub, "Check", health_pb2.HealthCheckRequest(), timeout=5)
        state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    except grpc.RpcError as error:
        state = str(error.code().name)
    facts = {
        "identity": identity,
        "target": found.target,
        "until": certificate.not_valid_after_utc.isoformat(),
        "service": state,
    }
    if as_json:
        print_json(facts)
    else:
        show(health_pb2.HealthCheckResponse(), list(facts.items()), as_json=False)
