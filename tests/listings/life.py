"""Leads one subject's listings through days: facts become known, rules speak, officers act, time passes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from credit_service import changes
from credit_service.audit.acts import Ask
from credit_service.audit.tables import LEDGER_TABLES
from credit_service.changes import Recorder
from credit_service.database import Database
from credit_service.ledger.fact import Fact, key
from credit_service.legal_days import SHANGHAI, civil_day
from credit_service.listings import joint_action
from credit_service.listings.lifecycle import Surroundings, candidate, make, propose
from credit_service.listings.tables import (
    TABLES,
    ListingMoveRow,
    ListingRow,
    blacklisted_until,
    listings_of,
    moves,
    open_duties,
)
from credit_service.rulebook.edition import edition_for
from credit_service.rulebook.evaluate import Finding, evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.view import View

UNIT = ("USCC:91350100M000100Y43", "ENTERPRISE")
EVIDENCE = {"document_no": "模拟文〔2026〕1号", "document_digest": "ab" * 32, "reason": "依法办理"}
FACTS = {"service_method": "当场交付", "is_penalty_performed": True, "is_harm_removed": True, "to_agency": "other"}


def at(text: str) -> datetime:
    """Reads a civil date as noon, or a time, in Shanghai."""
    return datetime.fromisoformat(text if "T" in text else f"{text}T12:00").replace(tzinfo=SHANGHAI)


def open_tables(database: Database) -> None:
    """Creates empty listings and an empty feed."""
    database.create_tables(
        [table.__table__ for table in (*TABLES, *joint_action.TABLES, *changes.TABLES, *LEDGER_TABLES)]
    )
    with database.transaction() as session:
        changes.start(session)


class Life:
    """Holds the facts of one subject and leads its listings."""

    def __init__(self, database: Database, editions: Sequence[Edition], subject: tuple[str, str] = UNIT) -> None:
        """Begins without facts; the tables must be there."""
        self.database, self.editions, self.subject = database, editions, subject
        self.facts: list[Fact] = []
        # Facts that a source took back, with the time from which that is known.
        self.retracted: dict[int, datetime] = {}

    def edition(self, name: str) -> Edition:
        """Returns an edition by its id."""
        return next(e for e in self.editions if e.id == name)

    def known(self, now: datetime) -> list[Fact]:
        """Returns the facts that had happened and stand."""
        day = civil_day(now)
        return [f for f in self.facts if f.day <= day and self.retracted.get(f.event_id, now) >= now]

    def findings(self, now: datetime) -> list[tuple[str, Finding]]:
        """Returns what the rules in force say now."""
        scheme = self.subject[0].partition(":")[0]
        edition, facts = edition_for(self.editions, scheme, civil_day(now)), self.known(now)
        view = View(edition, facts, unusable_from(edition, facts), civil_day(now))
        return [(edition.id, finding) for finding in evaluate(view, scheme)]

    def tick(self, now: datetime) -> None:
        """Lets rules and time do what they may."""
        recorder = Recorder(now)
        with self.database.transaction() as session:
            rows = listings_of(session, [self.subject[0]])
            propose(session, self.subject, self.findings(now), rows, self._around(session, recorder, now))
            recorder.write(session)

    def act(self, row: ListingRow, name: str, officer: str, now: datetime, **given: Any) -> None:
        """Makes an officer's move with every evidence; a given None takes one away."""
        values = {**EVIDENCE, **{k: v or "" for k, v in given.items() if k in EVIDENCE}}
        facts = {**FACTS, **{k: v for k, v in given.items() if k in FACTS}}
        agency, _, person = officer.rpartition("/")
        ask = Ask(
            name, f"{agency or 'bureau'}/{person}", given.get("legal_time"), agency=agency or "bureau",
            officer_key=given.get("officer_key", f"key of {person}"), request_id=given.get("request_id", ""),
            facts=facts, **values,
        )  # fmt: skip
        recorder = Recorder(now)
        with self.database.transaction() as session:
            mine = next(r for r in listings_of(session, [self.subject[0]]) if r.listing_id == row.listing_id)
            make(session, mine, ask, self._around(session, recorder, now))
            recorder.write(session)

    def nominate(self, rule_id: str, officer: str, now: datetime, events: Sequence[int] = ()) -> None:
        """Opens a candidate by an officer's nomination."""
        edition = edition_for(self.editions, "USCC", civil_day(now))
        rule = next(r for r in edition.rules if r.id == rule_id)
        finding = Finding(rule.id, rule.list, rule.effect, tuple(events), civil_day(now), None, "", "")
        names = [key(f) for f in self.facts if f.event_id in events]
        ask = Ask("NOMINATE", f"bureau/{officer}", agency="bureau", officer_key=f"key of {officer}", reason="依据")
        recorder = Recorder(now)
        with self.database.transaction() as session:
            row = candidate(self.subject, f"nomination of {now}", finding, edition.id, names, now)
            make(session, row, ask, self._around(session, recorder, now))
            recorder.write(session)

    def rows(self) -> list[ListingRow]:
        """Returns the listings, oldest first."""
        with self.database.reading() as session:
            return list(listings_of(session, [self.subject[0]]))

    def moves(self, row: ListingRow) -> list[ListingMoveRow]:
        """Returns the moves of a listing."""
        with self.database.reading() as session:
            return list(moves(session, row))

    def blacklisted_until(self, as_of: datetime, known: datetime) -> int | None:
        """Returns the first day on which no blacklist listing is in force; none when none is."""
        with self.database.reading() as session:
            return blacklisted_until(session, [self.subject[0]], as_of, known).get(self.subject[0])

    def duties(self, now: datetime) -> list[tuple[str, int, bool]]:
        """Returns the open deadlines as (key, last day, provisional)."""
        with self.database.reading() as session:
            found = open_duties(session, civil_day(now), None, None, 100)
            return [(d.key, d.last_day, d.is_provisional) for d, row in found if row.subject_id == self.subject[0]]

    def _around(self, session: Any, recorder: Recorder, now: datetime) -> Surroundings:
        is_listed = self.subject[0] in blacklisted_until(session, [self.subject[0]], now, now)
        return Surroundings(self.edition, self.known(now), is_listed, recorder, now)


DAY = timedelta(days=1)
