"""Commands of the operator: serve, migrate, verify the ledger, doctor."""

import asyncio
import os
from contextlib import closing
from functools import partial
from operator import add
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, select

from credit_service import logs, migrations
from credit_service.audit.acts import VerifiedActs, verify_acts
from credit_service.audit.queries import verify_queries
from credit_service.audit.tables import QueryRow
from credit_service.cli.connection import EXIT_FAILED, JsonOption
from credit_service.cli.databases import check_ready
from credit_service.cli.doctor import examine
from credit_service.cli.listening import check_free
from credit_service.cli.output import complain, print_json, say, show_table
from credit_service.database import AUDIT_LOCK, Database
from credit_service.errors import CreditError, Reason
from credit_service.ledger.facts import first_untrue_timeline
from credit_service.ledger.verify import Verified, verify
from credit_service.legal_days import civil_day
from credit_service.settings import from_environment, mask_url

UrlOption = Annotated[
    str, typer.Option("--url", help="Database; default: CREDIT_SERVICE_DATABASE_URL or sqlite:///credit.db.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(serve)
    app.command()(migrate)
    app.command()(regrade)
    app.command("verify-ledger")(verify_ledger)
    app.command()(doctor)


def serve(
    demo: Annotated[
        Path | None,
        typer.Option("--demo", file_okay=False, help="Folder for a throw-away authority, keys and database."),
    ] = None,
    enterprise: Annotated[
        str, typer.Option("--enterprise", help="With --demo: code of the enterprise that enterprise.json is.")
    ] = "",
    clock: Annotated[
        Path | None, typer.Option("--clock", help="With --demo: file with the time that the service believes.")
    ] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="Address; port 0 takes a free one.")] = None,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Print the settings, secrets masked, and stop.")
    ] = False,
) -> None:
    """Serve until SIGTERM. Mutual TLS always; --demo makes certificates for every role."""
    from credit_service import server  # the other commands start without the server's imports
    from credit_service.cli import throwaway  # as above

    settings = from_environment(listen=listen)
    if enterprise and demo is None:
        raise CreditError(Reason.SETTING_INVALID, "enterprise: got one without --demo DIR, want both")
    if clock and demo is None:
        raise CreditError(Reason.SETTING_INVALID, "clock: got one without --demo DIR, want both")
    if not print_settings:
        check_free(settings.listen)
    if demo is not None:
        settings = throwaway.prepare(settings, demo, server.system_clock(), enterprise)
    if print_settings:
        print_json(settings.masked())
        return
    logs.configure(settings.log_level)

    def ready(port: int) -> None:
        host = settings.listen.rpartition(":")[0] or "127.0.0.1"
        if demo is not None:
            throwaway.write_profiles(demo, f"{host}:{port}")
            say(throwaway.welcome(settings, demo, f"{host}:{port}"))
        else:
            say(f"serving on {host}:{port}")

    asyncio.run(server.serve(settings, ready, throwaway.clock_of(clock) if clock else server.system_clock))


def migrate(
    url: UrlOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only name what would run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the databases to the newest migration."""
    settings = from_environment(database_url=url or None)
    urls = settings.database_url, settings.audit_database_url()
    names = migrations.pending(*urls) if dry_run else migrations.upgrade(*urls)
    if as_json:
        print_json({"migrations": names, "dry_run": dry_run})
    else:
        verb = "would run" if dry_run else "ran"
        say(f"{verb} {', '.join(names) or 'nothing'} on {mask_url(settings.database_url)}")


def regrade(
    url: UrlOption = "",
    everybody: Annotated[
        bool,
        typer.Option("--all", help="Everybody, not only whom edition, model or program of today did not judge."),
    ] = False,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes that judge.")] = os.cpu_count() or 1,
    as_json: JsonOption = False,
) -> None:
    """Grade the population anew, while the server serves: after a new model, edition or version of this program.

    Start the server again first, so that it judges by the same. Broken off, it goes on with what is left.
    """
    from credit_service import regrading, server  # the other commands start without the server's imports

    settings = from_environment(database_url=url or None)
    check_ready(settings)
    logs.configure(settings.log_level)
    # What is wrong with a model is said once a run, not once a process.
    opening = partial(server.open_judgement, settings, is_quiet=True)
    house, done = server.open_judgement(settings), regrading.Regraded(0, 0, 0)
    with closing(house[0]), Progress(console=Console(stderr=True), disable=as_json) as bar:
        missing, task = house[1].missing_models(civil_day(server.system_clock())), bar.add_task("regrading", total=None)
        for page in regrading.regrade(house, opening, server.system_clock, processes, is_everybody=everybody):
            done = regrading.Regraded(*map(add, done, page))
            bar.advance(task, page.subjects)
    if as_json:
        print_json({**done._asdict(), "missing_models": sorted(set(missing.values()))})
    elif not done.subjects and not missing:
        say("nobody to grade: edition, model and program of today judged everybody; --all grades them all the same")
    else:
        say(f"{done.subjects} subjects looked at, {done.again} of them one after another (listings, new records)")
    if done.failed:
        complain(f"{done.failed} subjects could not be judged and keep their grades; the log names them")
    for edition_id, model in missing.items():
        complain(
            f"no grades of {edition_id}: its model {model} is missing or damaged; `credit-service doctor` says why"
        )
    if done.failed or missing:
        raise typer.Exit(EXIT_FAILED)


def verify_ledger(url: UrlOption = "", as_json: JsonOption = False) -> None:
    """Recompute every hash of the ledger, the acts and the query records; name the first broken link of each.

    Names as well the first subject whose packed facts are not those of the ledger.
    """
    settings = from_environment(database_url=url or None)
    check_ready(settings)
    database = Database(settings.database_url)
    with database.reading() as session:
        found, acts, untrue = verify(session), verify_acts(session), first_untrue_timeline(session)
    database.close()
    audit = Database(settings.audit_database_url(), AUDIT_LOCK)
    broken_query, queries = verify_queries(audit), _count_queries(audit)
    audit.close()
    is_sound = (found.broken_position, acts.broken_number, broken_query, untrue) == (None, None, None, None)
    if as_json:
        print_json(
            {
                "verified": is_sound, "events": found.events, "head": found.head.hex(),
                "content_root": found.content_root.hex(), "algorithm": "SHA-256",
                "broken_position": found.broken_position, "acts": acts.acts, "broken_act": acts.broken_number,
                "queries": queries, "broken_query": broken_query, "untrue_timeline": untrue,
            }
        )  # fmt: skip
    else:
        _tell_ledger(found)
        _tell_timelines(untrue)
        _tell_acts(acts)
        _tell_queries(queries, broken_query)
    if not is_sound:
        raise typer.Exit(EXIT_FAILED)


def _count_queries(audit: Database) -> int:
    with audit.reading() as session:
        count: int = session.execute(select(func.count()).select_from(QueryRow)).scalar_one()
    return count


def _tell_ledger(found: Verified) -> None:
    if found.broken_position is not None:
        sound = f"{found.events} events before it are sound"
        complain(f"CHAIN_BROKEN: ledger: the first broken link is event {found.broken_position}; {sound}")
        return
    say(f"ledger: {found.events} events, sound: the chain holds")
    say(f"head {found.head.hex()}, content root {found.content_root.hex()}")


def _tell_timelines(untrue: str | None) -> None:
    if untrue is None:
        say("timelines: they tell what the ledger tells")
        return
    complain(f"TIMELINE_UNTRUE: the first timeline that tells other facts than the ledger is that of {untrue}")
    say("its grade may be wrong: delete the rows of the table timeline, then run `credit-service regrade --all`")


def _tell_acts(found: VerifiedActs) -> None:
    if found.broken_number is not None:
        sound = f"{found.acts} acts before it are sound"
        complain(f"CHAIN_BROKEN: acts: the first broken link is act {found.broken_number}; {sound}")
        return
    say(f"acts of officers and agencies: {found.acts}, sound")


def _tell_queries(count: int, broken: int | None) -> None:
    if broken is not None:
        sound = f"{broken - 1} records before it are sound"
        complain(f"CHAIN_BROKEN: query records: the first broken link is query record {broken}; {sound}")
        return
    say(f"query records: {count}, sound")


def doctor(as_json: JsonOption = False) -> None:
    """Examine versions, databases, models, certificates and calendar; say what to do about each finding."""
    findings = examine(from_environment())
    if as_json:
        for finding in findings:
            print_json(finding.as_dict())
    else:
        show_table(("", "what", "found", "what to do"), [(f.state, f.what, f.found, f.remedy) for f in findings])
    if any(f.state == "fail" for f in findings):
        raise typer.Exit(EXIT_FAILED)
