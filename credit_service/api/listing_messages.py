"""Listings as messages, and who sees which: candidates are internal, partners see what is displayed, in their view."""

from collections.abc import Sequence
from datetime import datetime

from credit_service.api import wire
from credit_service.api.bases import basis_messages
from credit_service.api.identity import Caller
from credit_service.api.redaction import masked_name, sees_listing
from credit_service.legal_days import civil_day, day_text
from credit_service.listings.tables import DutyRow, ListingMoveRow, ListingRow
from credit_service.rulebook.law import Edition
from credit_service.subjects.tables import SubjectRow
from credit_service.v1 import listings_pb2 as pb


def sees(caller: Caller, row: ListingRow, day: int) -> bool:
    """Says whether a caller may see a listing at all on a day; persons' entries never leave the regulators."""
    if caller.role != "regulator" and row.subject_kind == "PERSON":
        return False
    is_own = caller.role == "enterprise" and row.subject_id == caller.subject_id
    return sees_listing(caller.role, was_noticed=is_own and row.was_noticed, is_displayed=row.is_displayed(day))


def shown_listing(
    row: ListingRow, subject: SubjectRow | None, caller: Caller, editions: Sequence[Edition], now: datetime
) -> pb.Listing:
    """Returns a listing as the caller may see it: proof is for the regulator in charge and the enterprise itself."""
    name = subject.name if subject else ""
    covers = caller.covers(subject.supervising_region if subject else None)
    message = listing_message(row, name if covers else masked_name(name), editions, now)
    if not covers or caller.role not in ("regulator", "enterprise"):
        del message.event_ids[:]
    return message


def listing_message(row: ListingRow, name: str, editions: Sequence[Edition], now: datetime) -> pb.Listing:
    """Returns a listing as a message as of now, with the legal bases of its rule."""
    day = civil_day(now)
    message = pb.Listing(
        listing_id=row.listing_id, subject=wire.ref_of(row.subject_id), subject_name=name,
        list=pb.ListKind.Value(f"LIST_KIND_{row.list}"),
        state=pb.ListingState.Value(f"LISTING_STATE_{row.state_on(day)}"),
        rule_id=row.rule_id, edition_id=row.edition_id, event_ids=map(str, row.proof()), text_zh=row.text_zh,
        text_en=row.text_en, open_time=wire.timestamp(row.open_time), agency=row.agency,
        begin_time=wire.timestamp(row.begin_time) if row.begin_time else None,
        term_last_date=None if row.last_day is None else day_text(row.last_day),
        early_removal_from_date=None if row.early_from_day is None else day_text(row.early_from_day),
        is_stayed=row.is_stayed, is_suspended=row.is_suspended, is_in_force=row.is_in_force(day),
        is_displayed=row.is_displayed(day), is_disputed=row.is_disputed,
    )  # fmt: skip
    for edition in editions:
        for rule in edition.rules if edition.id == row.edition_id else ():
            if rule.id == row.rule_id:
                message.bases.extend(basis_messages(rule.bases))
    return message


def move_message(move: ListingMoveRow) -> pb.ListingMove:
    """Returns a move as a message."""
    before = pb.ListingState.Value(f"LISTING_STATE_{move.from_state or 'UNSPECIFIED'}")
    digest = wire.digest(bytes.fromhex(move.document_digest)) if move.document_digest else None
    return pb.ListingMove(
        from_state=before, to_state=pb.ListingState.Value(f"LISTING_STATE_{move.to_state}"),
        move_time=wire.timestamp(move.move_time), actor=move.actor, reason=move.reason, name=move.name,
        legal_time=wire.timestamp(move.legal_time), agency=move.agency, document_no=move.document_no,
        document_digest=digest,
    )  # fmt: skip


def deadline_message(duty: DutyRow, row: ListingRow, editions: Sequence[Edition], today: int) -> pb.Deadline:
    """Returns an open deadline as a message, with the words of the edition that set it."""
    edition = next((e for e in editions if e.id == row.edition_id), None)
    rule = edition.deadlines.get(duty.key) if edition else None
    return pb.Deadline(
        listing_id=duty.listing_id, duty=duty.key, due_date=day_text(duty.last_day),
        is_provisional=duty.is_provisional, agency=duty.agency, is_right=duty.is_right,
        is_overdue=today > duty.last_day, start_date=day_text(duty.start_day), text_zh=rule.text_zh if rule else "",
        text_en=rule.text_en if rule else "", subject=wire.ref_of(duty.subject_id),
    )  # fmt: skip
