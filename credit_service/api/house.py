"""What every door shares: built once by the server, handed to each door."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from credit_service.api import wire
from credit_service.api.access import check_jurisdiction, check_subject
from credit_service.api.calls import Call
from credit_service.api.checking import Checking
from credit_service.api.quota import Quota
from credit_service.assessment import Assessor
from credit_service.changes import Feed
from credit_service.collecting import Writer
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import Artefact
from credit_service.ledger.sources import Source
from credit_service.ledger.streams import Watermark, watermarks
from credit_service.rulebook.law import Edition
from credit_service.subjects.tables import SubjectRow, get_subject
from credit_service.subjects.vault import Vault
from credit_service.v1 import subjects_pb2


@dataclass(frozen=True, slots=True)
class House:
    """Holds the rooms' dependencies; nothing here changes while the server runs."""

    database: Database
    audit: Database
    assessor: Assessor
    models: Sequence[Artefact]
    writer: Writer
    quota: Quota
    checking: Checking
    vault: Vault
    feed: Feed
    sources: Mapping[str, Source]
    # Which agency may submit for which sources; an agency that is not named may submit for none.
    source_agencies: Mapping[str, frozenset[str]]
    editions: Callable[[], Sequence[Edition]]
    all_editions: Sequence[Edition]
    clock: Callable[[], datetime]

    def frame(self, frame: subjects_pb2.TimeFrame, call: Call) -> tuple[datetime, datetime]:
        """Returns (as of, known) of a question.

        What is known ends before a commit that is still open, so that the answer can be given again.
        """
        as_of, known = wire.time_frame(frame, call.now)
        return as_of, self.writer.settled(known)

    def watermarks(self, session: Session, now: datetime) -> Sequence[Watermark]:
        """Returns how complete each registered source is."""
        return watermarks(session, {name: s.interval_days for name, s in self.sources.items()}, now)

    def ask(self, session: Session, call: Call, subject_id: str) -> SubjectRow:
        """Notes whom the call asks about, and returns the subject the caller may ask about."""
        call.asked.append(subject_id)
        check_subject(call.caller, subject_id)
        row = get_subject(session, subject_id)
        if row is None:
            raise CreditError(Reason.SUBJECT_NOT_FOUND, f"subject: got {subject_id}, want a known subject")
        check_subject(call.caller, subject_id, row.kind)
        return row

    def ask_within(self, session: Session, call: Call, subject_id: str) -> SubjectRow:
        """Like ask, for what only the officer in charge may see; fails with OUT_OF_JURISDICTION."""
        row = self.ask(session, call, subject_id)
        check_jurisdiction(call.caller, row.supervising_region)
        return row
