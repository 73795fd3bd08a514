"""The door of RulebookService: editions as they are, and their adoption by two officers."""

from collections import Counter
from collections.abc import Iterator

from credit_service import logs
from credit_service.api import wire
from credit_service.api.bases import basis_messages
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.audit.approvals import Officer, approve
from credit_service.audit.tables import ApprovalRow, approvals_of
from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import civil_day, day_text
from credit_service.rulebook.edition import edition_for, read_draft
from credit_service.rulebook.evaluate import Finding
from credit_service.rulebook.law import Edition, Rule, VetoRule
from credit_service.trial import Change, Tried, try_edition
from credit_service.v1 import rulebook_pb2 as pb

ADOPT = "adopt-rulebook"
DOCUMENT_LIMIT = 1024 * 1024


class RulebookDoor:
    """Shows and adopts editions."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def GetRulebook(self, request: pb.GetRulebookRequest, call: Call) -> pb.GetRulebookResponse:
        """Returns one edition."""
        if request.edition_id:
            edition = self._edition(request.edition_id)
        else:
            edition = edition_for(self.house.editions(), request.scheme or "USCC", civil_day(call.now))
        message = _message(edition)
        with self.house.database.reading() as session:
            rows = [row for row in approvals_of(session, ADOPT) if row.digest == edition.digest]
        message.adoptions.extend(_adoption(row) for row in rows)
        return pb.GetRulebookResponse(edition=message, edition_ids=[e.id for e in self.house.all_editions])

    def TryRulebook(self, request: pb.TryRulebookRequest, call: Call) -> Iterator[pb.TryRulebookResponse]:
        """Streams what a draft would change, then the counts."""
        if len(request.document.encode()) > DOCUMENT_LIMIT:
            got, want = f"{len(request.document.encode())} bytes", f"at most {DOCUMENT_LIMIT}"
            raise CreditError(Reason.FIELD_OUT_OF_RANGE, f"document: got {got}, want {want}")
        draft = read_draft(request.document, self.house.all_editions)
        frame = self.house.frame(request.time_frame, call)
        count = _Count()
        for page in try_edition(self.house.database, self.house.assessor, draft, *frame):
            count.add(page)
            named = [c for c in page.changes if call.caller.covers(c.subject.supervising_region)]
            call.asked.extend(change.subject.subject_id for change in named)
            yield pb.TryRulebookResponse(judged_subjects=page.judged, changes=map(_change, named))
        yield pb.TryRulebookResponse(judged_subjects=count.judged, summary=count.summary(draft))

    def AdoptRulebook(self, request: pb.AdoptRulebookRequest, call: Call) -> pb.AdoptRulebookResponse:
        """Proposes, or confirms as the second officer; officers come from their certificates."""
        officer = Officer(call.caller.officer_name(), call.caller.key_fingerprint)
        edition = self._edition(request.edition_id)
        read = request.digest.value.hex()
        if read != edition.digest:
            want = f"the digest of the installed edition, {edition.digest}"
            raise CreditError(Reason.FIELD_INVALID, f"digest: got {shown(read)}, want {want}")
        with self.house.database.transaction() as session:
            row = approve(session, ADOPT, edition.digest, officer, call.now)
            session.flush()
            adoption = _adoption(row)
        logs.get().info(
            "decision", act=ADOPT, officer=officer.name, on=edition.id, basis=edition.digest,
            outcome="adopted" if row.second_officer else "proposed", request_id=call.request_id,
        )  # fmt: skip
        return pb.AdoptRulebookResponse(adoption=adoption)

    def _edition(self, edition_id: str) -> Edition:
        for edition in self.house.all_editions:
            if edition.id == edition_id:
                return edition
        want = ", ".join(e.id for e in self.house.all_editions)
        raise CreditError(Reason.EDITION_NOT_FOUND, f"edition_id: got {shown(edition_id)}, want one of {want}")


class _Count:
    """Counts what a trial changes."""

    def __init__(self) -> None:
        self.judged = self._changing = self._changing_grade = 0
        self._entering, self._leaving, self._grades = Counter[str](), Counter[str](), Counter[tuple[str, str]]()

    def add(self, page: Tried) -> None:
        self.judged = page.judged
        self._changing += len(page.changes)
        self._changing_grade += sum(c.grade_before != c.grade_after for c in page.changes)
        self._entering.update(f.rule_id for c in page.changes for f in c.entering)
        self._leaving.update(f.rule_id for c in page.changes for f in c.leaving)
        self._grades.update((before or "", after or "") for before, after in page.grades)

    def summary(self, draft: Edition) -> pb.TrialSummary:
        rules, left = sorted({*self._entering, *self._leaving}), self._leaving
        return pb.TrialSummary(
            digest=wire.digest(bytes.fromhex(draft.digest)), subjects=self.judged, changing=self._changing,
            changing_grade=self._changing_grade,
            rules=[pb.TrialRule(rule_id=r, entering=self._entering[r], leaving=left[r]) for r in rules],
            grades=[
                pb.TrialGrade(before=before or None, after=after or None, subjects=subjects)
                for (before, after), subjects in sorted(self._grades.items())
            ],
        )  # fmt: skip


def _change(change: Change) -> pb.TrialChange:
    return pb.TrialChange(
        subject=wire.ref_of(change.subject.subject_id), grade_before=change.grade_before,
        grade_after=change.grade_after, entering=map(_finding, change.entering), leaving=map(_finding, change.leaving),
    )  # fmt: skip


def _finding(finding: Finding) -> pb.TrialFinding:
    return pb.TrialFinding(rule_id=finding.rule_id, list=finding.list, event_ids=map(str, finding.event_ids))


def _adoption(row: ApprovalRow) -> pb.Adoption:
    return pb.Adoption(first_officer=row.first_officer, second_officer=row.second_officer)


def _message(edition: Edition) -> pb.Edition:
    return pb.Edition(
        edition_id=edition.id, valid_from=day_text(edition.valid_from),
        valid_to=None if edition.valid_to is None else day_text(edition.valid_to), schemes=edition.schemes,
        rules=map(_rule, edition.rules), digest=wire.digest(bytes.fromhex(edition.digest)),
        bands=dict(edition.grading.bands), model=edition.grading.model, document=edition.document,
        vetoes=map(_veto, edition.grading.vetoes), points_bases_document=edition.points_bases_document,
    )  # fmt: skip


def _rule(rule: Rule) -> pb.Rule:
    return pb.Rule(
        rule_id=rule.id, list=rule.list, effect=rule.effect, term=str(rule.term) if rule.term else None,
        bases=basis_messages(rule.bases), text_zh=rule.text_zh, text_en=rule.text_en,
    )  # fmt: skip


def _veto(veto: VetoRule) -> pb.VetoRule:
    return pb.VetoRule(
        veto_id=veto.id, cap=veto.cap, bases=basis_messages(veto.bases), text_zh=veto.text_zh, text_en=veto.text_en
    )
