"""Commands that show the rules."""

import typer

from credit_service.cli.connection import Connection, JsonOption, ProfileOption, connect
from credit_service.cli.output import plain, print_json, say, show, show_table
from credit_service.v1 import rulebook_pb2, rulebook_pb2_grpc

rulebook_app = typer.Typer(no_args_is_help=True, help="Show the rules.")


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
    if not e.rules:
        say("no list rules: this edition grades and never lists")
        return
    rows = [
        (
            r.rule_id, r.list, r.effect, r.term,
            "; ".join(f"{b.instrument} {b.article} ({b.source})" for b in r.bases), r.text_zh,
        )
        for r in e.rules
    ]  # fmt: skip
    show_table(("rule", "list", "effect", "term", "basis", "text"), rows)
