"""Commands that show, try and adopt the rules."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_service.cli.asking import basis_text
from credit_service.cli.connection import Connection, JsonOption, ProfileOption, connect, frame_of, read_text
from credit_service.cli.output import plain, print_json, say, show, show_table
from credit_service.v1 import rulebook_pb2, rulebook_pb2_grpc

rulebook_app = typer.Typer(no_args_is_help=True, help="Show, try and adopt the rules.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(rulebook_app, name="rulebook")


def _get(connection: Connection, edition: str) -> rulebook_pb2.GetRulebookResponse:
    request = rulebook_pb2.GetRulebookRequest(edition_id=edition)
    found: rulebook_pb2.GetRulebookResponse = connection.call(
        rulebook_pb2_grpc.RulebookServiceStub, "GetRulebook", request
    )
    return found


@rulebook_app.command("list")
def rulebook_list(profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """List every installed edition."""
    connection = connect(profile)
    editions = [_get(connection, name).edition for name in _get(connection, "").edition_ids]
    rows = [(e.edition_id, e.valid_from, e.valid_to, " ".join(e.schemes), len(e.rules), e.model) for e in editions]
    if as_json:
        names = ("edition_id", "valid_from", "valid_to", "schemes", "rules", "model")
        for row in rows:
            print_json(dict(zip(names, row, strict=True)))
        return
    show_table(("edition", "from", "to", "schemes", "rules", "model"), rows)


@rulebook_app.command("show")
def rulebook_show(edition: str = typer.Argument(""), profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """Show an edition; by default the one in force today."""
    answer = _get(connect(profile), edition)
    if as_json:
        print_json(plain(answer))
        return
    e = answer.edition
    facts = [
        ("edition", e.edition_id), ("from", e.valid_from), ("to", e.valid_to), ("schemes", " ".join(e.schemes)),
        ("model", e.model),
    ]  # fmt: skip
    show(answer, facts, as_json=False)
    if e.rules:
        rows = [(r.rule_id, r.list, r.effect, r.term, _bases(r.bases), r.text_zh) for r in e.rules]
        show_table(("rule", "list", "effect", "term", "basis", "text"), rows)
    else:
        say("no list rules: this edition grades and never lists")
    if e.vetoes:
        caps = [(v.veto_id, f"{v.cap} at best", _bases(v.bases), v.text_zh) for v in e.vetoes]
        show_table(("veto", "grade", "basis", "text"), caps)
    else:
        say("no vetoes: nothing but the score caps a grade")


def _bases(bases: Iterable[rulebook_pb2.LegalBasis]) -> str:
    return "; ".join(f"{basis_text(b)} ({b.source})" for b in bases)


SAMPLES = 20
# The whole ledger is judged twice: a city of two million takes its time.
PATIENCE_SECONDS = 4 * 3600


@rulebook_app.command("try")
def rulebook_try(
    file: Annotated[Path, typer.Argument(help="The draft edition, a TOML file.")],
    as_of: Annotated[str, typer.Option("--as-of", help="Civil date or time to judge at; by default now.")] = "",
    profile: ProfileOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say exactly who would enter, leave or change grade under a draft; nothing is written.

    With --json: one object per changed subject, then the counts.
    """
    connection = connect(profile)
    request = rulebook_pb2.TryRulebookRequest(document=read_text("file", file), time_frame=frame_of(as_of, ""))
    changes: list[rulebook_pb2.TrialChange] = []
    for answer in _tried(connection, request):
        if as_json:
            for message in (*answer.changes, *([answer.summary] if answer.HasField("summary") else [])):
                print_json(plain(message))
        changes = [*changes, *answer.changes][:SAMPLES]
        if answer.HasField("summary") and not as_json:
            _show_summary(answer.summary, changes)


def _tried(
    connection: Connection, request: rulebook_pb2.TryRulebookRequest
) -> Iterator[rulebook_pb2.TryRulebookResponse]:
    stub: Any = rulebook_pb2_grpc.RulebookServiceStub
    yield from connection.call(stub, "TryRulebook", request, timeout=PATIENCE_SECONDS)


def _show_summary(summary: rulebook_pb2.TrialSummary, changes: list[rulebook_pb2.TrialChange]) -> None:
    say(f"digest {summary.digest.value.hex()}")
    say(f"{summary.subjects} subjects judged, {summary.changing} would change, {summary.changing_grade} their grade")
    if summary.rules:
        show_table(("rule", "would enter", "would leave"), [(r.rule_id, r.entering, r.leaving) for r in summary.rules])
    moved = [(g.before or "none", g.after or "none", g.subjects) for g in summary.grades if g.before != g.after]
    if moved:
        show_table(("grade now", "under the draft", "subjects"), moved)
    if changes:
        rows = [
            (
                c.subject.code, c.grade_before or "none", c.grade_after or "none",
                " ".join(f.rule_id for f in c.entering), " ".join(f.rule_id for f in c.leaving),
            )
            for c in changes
        ]  # fmt: skip
        title = f"the first {len(changes)}; --json names all" if summary.changing > len(changes) else ""
        show_table(("subject", "now", "draft", "enters", "leaves"), rows, title)


@rulebook_app.command("adopt")
def rulebook_adopt(edition: str, profile: ProfileOption = "", as_json: JsonOption = False) -> None:
    """Propose an installed edition, or confirm it as the second officer; the officer is the certificate's."""
    connection = connect(profile)
    read = _get(connection, edition).edition
    request = rulebook_pb2.AdoptRulebookRequest(
        request_id=f"adopt-{edition}", edition_id=edition, digest=read.digest
    )  # fmt: skip
    answer = connection.call(rulebook_pb2_grpc.RulebookServiceStub, "AdoptRulebook", request)
    adoption = answer.adoption
    facts = [
        ("edition", edition), ("digest", read.digest.value.hex()), ("first officer", adoption.first_officer),
        ("second officer", adoption.second_officer or "still to come"),
    ]  # fmt: skip
    show(answer, facts, as_json=as_json)
