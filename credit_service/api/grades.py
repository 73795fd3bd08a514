"""The door of GradeService: grades as of any day, every point explained."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from credit_service.api import wire
from credit_service.api.access import check_subject
from credit_service.api.bases import state_bases
from credit_service.api.calls import Call
from credit_service.api.checking import check_all
from credit_service.api.explanations import explanation_message
from credit_service.api.grade_messages import grade_message, state_frame, state_target, targets_of, untimed_message
from credit_service.api.house import House
from credit_service.api.overrides import OverrideDoor
from credit_service.api.redaction import redact, sees_finding
from credit_service.api.shelf import Shelf, Shown
from credit_service.assessment import Frame, Kept, Restated
from credit_service.changes import ChangeRow
from credit_service.errors import CreditError, Problem, Reason
from credit_service.gathering import Gathering
from credit_service.grades.grading import Explained, Graded
from credit_service.grades.tables import grade_history
from credit_service.ledger.drafts import CheckedDraft
from credit_service.ledger.fact import Fact, fact_of
from credit_service.legal_days import civil_day
from credit_service.remedies.moves import OBJECTION
from credit_service.remedies.tables import open_remedies
from credit_service.subjects.schemes import split
from credit_service.v1 import grades_pb2 as pb
from credit_service.v1 import subjects_pb2

BATCH_LIMIT = 100_000
TRIED_LIMIT = 100
CHUNK = 500
# To judge a few costs almost as much as to judge many: some ten milliseconds.
JUDGING_PAUSE = 0.005


class GradeDoor(OverrideDoor):
    """Answers grades, and takes what officers decide of them."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        super().__init__(house)
        # The silent sources, and as of which turn of the feed and minute.
        self._silent: tuple[tuple[int, datetime], list[str]] | None = None
        self._shelf, self._targets = Shelf(house.database), targets_of(house.models)
        # Apart, so that what is kept never waits for what must be judged.
        self._kept, self._judged = Gathering(self._answers), Gathering(self._answers, JUDGING_PAUSE)

    async def GetGrade(self, request: pb.GetGradeRequest, call: Call) -> pb.GetGradeResponse:
        """Returns one grade: from the shelf, or read together with those asked for at one time."""
        frame, identifier = self.house.frame(request.time_frame, call), wire.id_of(request.subject)
        call.asked.append(identifier)
        check_subject(call.caller, identifier)
        if not _is_now(request):
            states = tuple(request.time_frame.HasField(name) for name in ("as_of_time", "known_time"))
            asked = _Asked(identifier, call, frame, is_now=False, states=states)
            return _response(await self._judged.ask(asked, call.run), asked)
        asked = _Asked(identifier, call, frame, is_now=True, states=(False, False))
        state = self._shelf.state(civil_day(call.now))
        shown, silent = self._shelf.take(identifier, frame[1]), self._silent_now(call.now)
        if shown is not None and silent is not None:
            return _response(_Answer(shown, frame, self._speaking(silent, identifier)), asked)
        answer = await self._kept.ask(asked, call.run)
        if answer.is_kept:
            self._shelf.put(identifier, answer.shown, state)
        return _response(answer, asked)

    def _answers(self, asked: Sequence["_Asked"]) -> list["_Answer | Exception"]:
        """Answers many questions, each from its kept grade where that stands, else by judging them together."""
        answers: list[_Answer | Exception] = []
        with self.house.database.reading() as session:
            stand = self._standing(session, asked)
            found = self._found(session, asked, stand)
            for one, mine, (document, frame) in zip(asked, stand, found, strict=True):
                try:
                    answers.append(self._answer(session, one, mine, document, frame))
                except Exception as error:  # noqa: BLE001  # it belongs to the one that asked
                    answers.append(error)
        return answers

    def _standing(self, session: Session, asked: Sequence["_Asked"]) -> list[Kept | None]:
        """Returns what is kept of each subject, none of the unknown; no grade where none is asked about now."""
        if not any(one.is_now for one in asked):
            known = self.house.assessor.met(session, [one.subject_id for one in asked])
            return [known.get(one.subject_id) for one in asked]
        by_day: dict[int, list[str]] = {}
        for one in asked:
            by_day.setdefault(civil_day(one.call.now), []).append(one.subject_id)
        kept = {day: self.house.assessor.kept(session, ids, day) for day, ids in by_day.items()}
        return [kept[civil_day(one.call.now)].get(one.subject_id) for one in asked]

    def _found(
        self, session: Session, asked: Sequence["_Asked"], stand: Sequence[Kept | None]
    ) -> list[tuple[dict[str, Any] | Exception | None, Frame]]:
        """Returns a grade's document a question, with its time frame; none for an unknown subject.

        What is judged in one turn and states no time shares one: the latest that any of its callers came at.
        """
        latest = tuple(max((o.frame[n] for o in asked if not o.states[n]), default=None) for n in (0, 1))
        found: list[tuple[dict[str, Any] | Exception | None, Frame]] = []
        judged: list[int] = []
        for place, (one, mine) in enumerate(zip(asked, stand, strict=True)):
            document = mine.grade(one.frame[1]) if mine is not None and one.is_now else None
            as_of, known = (one.frame[n] if one.states[n] else latest[n] or one.frame[n] for n in (0, 1))
            found.append((document, one.frame if mine is None or document is not None else (as_of, known)))
            if mine is not None and document is None:
                judged.append(place)
        questions = [(asked[place].subject_id, found[place][1]) for place in judged]
        for place, told in zip(judged, self._judged_each(session, questions), strict=True):
            found[place] = told, found[place][1]
        return found

    def _judged_each(self, session: Session, asked: Sequence[tuple[str, Frame]]) -> list[dict[str, Any] | Exception]:
        """Judges subjects together; where that fails, each by itself, so that none suffers for another."""
        try:
            return [_told(graded) for graded in self.house.assessor.grades_each(session, asked)]
        except Exception as error:  # noqa: BLE001  # it belongs to one of those that asked
            if len(asked) == 1:
                return [error]
            return [told for one in asked for told in self._judged_each(session, [one])]

    def _answer(
        self,
        session: Session,
        asked: "_Asked",
        kept: Kept | None,
        document: dict[str, Any] | Exception | None,
        frame: Frame,
    ) -> "_Answer":
        call, identifier = asked.call, asked.subject_id
        if kept is None or document is None:
            raise CreditError(Reason.SUBJECT_NOT_FOUND, f"subject: got {identifier}, want a known subject")
        check_subject(call.caller, identifier, kept.kind)
        if isinstance(document, Exception):
            raise document
        is_kept = document is kept.document
        since = kept.since if is_kept and kept.since is not None else frame[1]
        record = untimed_message(document)
        state_target(record, self._targets)
        shown = Shown(kept.kind, kept.supervising_region, since, record.SerializeToString())
        return _Answer(shown, frame, self._stale(session, identifier, call.now), is_kept)

    def BatchGetGrades(self, request: pb.BatchGetGradesRequest, call: Call) -> Iterator[pb.BatchGetGradesResponse]:
        """Streams grades in request order."""
        if not 1 <= len(request.subjects) <= BATCH_LIMIT:
            reason = Reason.BATCH_TOO_LARGE if request.subjects else Reason.BATCH_EMPTY
            raise CreditError(
                reason, f"subjects: got {len(request.subjects)}, want 1 to {BATCH_LIMIT}", limit=str(BATCH_LIMIT)
            )
        frame = self.house.frame(request.time_frame, call)
        identified = [_identified(subject) for subject in request.subjects]
        call.asked.extend(one for one in identified if isinstance(one, str))
        for start in range(0, len(identified), CHUNK):
            chunk = identified[start : start + CHUNK]
            # Closed before the answer goes out: a slow reader must not keep a connection.
            with self.house.database.reading() as session:
                results = self._results(session, start, chunk, request, call, frame)
            yield pb.BatchGetGradesResponse(results=results)

    def ExplainGrade(self, request: pb.ExplainGradeRequest, call: Call) -> pb.ExplainGradeResponse:
        """Explains one grade."""
        frame, identifier = self.house.frame(request.time_frame, call), wire.id_of(request.subject)
        with self.house.database.reading() as session:
            self.house.ask_within(session, call, identifier)
            explained = self.house.assessor.explain(session, identifier, *frame)
            stale = self._stale(session, identifier, call.now)
            disputed = [remedy.target for remedy in open_remedies(session, identifier) if remedy.kind == OBJECTION]
            lapsed = self.house.assessor.lapsed(session, identifier, _behind(explained), call.now)
        visible = [f for f in explained.graded.findings if sees_finding(call.caller.role, f.effect)]
        edition = self.house.assessor.edition(explained.graded.edition_id)
        response = explanation_message(edition, explained, visible, frame)
        state_target(response.grade, self._targets)
        response.stale_sources.extend(stale)
        response.disputed_targets.extend(disputed)
        response.lapsed_event_ids.extend(map(str, lapsed))
        return response

    def ListGradeHistory(self, request: pb.ListGradeHistoryRequest, call: Call) -> pb.ListGradeHistoryResponse:
        """Lists recorded grades, newest first."""
        identifier, size = wire.id_of(request.subject), wire.page_size(request.page_size)
        bond = ("ListGradeHistory", identifier)
        place = wire.page_place(bond, request.page_token, int)
        with self.house.database.reading() as session:
            self.house.ask_within(session, call, identifier)
            rows = grade_history(session, identifier, place[0] if place else None, size + 1)
            times, known = [row.commit_time for row in rows[:size]], self.house.writer.settled(call.now)
            restated = {one.time: one for one in self.house.assessor.restated(session, identifier, times, known)}
        token = wire.page_token(bond, [rows[size - 1].revision]) if len(rows) > size else ""
        grades = [_recorded(row, restated.get(row.commit_time)) for row in rows[:size]]
        return pb.ListGradeHistoryResponse(grades=grades, next_page_token=token)

    def TryGrade(self, request: pb.TryGradeRequest, call: Call) -> pb.TryGradeResponse:
        """Grades as if records had been sent and others withdrawn; keeps nothing."""
        frame, identifier = self.house.frame(request.time_frame, call), wire.id_of(request.subject)
        if len(request.events) > TRIED_LIMIT:
            raise CreditError(
                Reason.BATCH_TOO_LARGE, f"events: got {len(request.events)}, want at most {TRIED_LIMIT}",
                limit=str(TRIED_LIMIT),
            )  # fmt: skip
        tried = [
            _supposed(checked, identifier, place, frame[0])
            for place, checked in enumerate(check_all(self.house.checking.checker, request.events, call.now))
        ]
        with self.house.database.reading() as session:
            self.house.ask_within(session, call, identifier)
            before = self.house.assessor.grades(session, [identifier], *frame)[0]
            after = self.house.assessor.tried(session, identifier, tried, frozenset(request.without_event_ids), frame)
        for graded in (before, after):
            if graded.problem is not None:
                raise graded.problem
        messages = [grade_message(graded.document(), frame) for graded in (after, before)]
        for message in messages:
            state_bases(message, self.house.assessor.edition(message.edition_id), civil_day(frame[0]))
            state_target(message, self._targets)
        return pb.TryGradeResponse(grade=messages[0], grade_before=messages[1])

    def _stale(self, session: Session, identifier: str, now: datetime) -> list[str]:
        """Returns the silent ones among the sources that speak of the subject's scheme; silence is counted in days."""
        silent = self._silent_now(now)
        if silent is None:
            seen = self._seen(now)
            silent = [w.source for w in self.house.watermarks(session, now) if w.is_stale]
            self._silent = (seen, silent)
        return self._speaking(silent, identifier)

    def _silent_now(self, now: datetime) -> list[str] | None:
        """Returns the silent sources, nothing where they must be read anew."""
        found = self._silent
        return found[1] if found is not None and found[0] == self._seen(now) else None

    def _seen(self, now: datetime) -> tuple[int, datetime]:
        return self.house.feed.turns, now.replace(second=0, microsecond=0)

    def _speaking(self, silent: Sequence[str], identifier: str) -> list[str]:
        """Returns those of the sources that speak of the subject's scheme."""
        return [one for one in silent if self.house.sources[one].scheme == split(identifier)[0]]

    def _results(
        self,
        session: Session,
        start: int,
        chunk: Sequence[str | CreditError],
        request: pb.BatchGetGradesRequest,
        call: Call,
        frame: tuple[datetime, datetime],
    ) -> list[pb.BatchGradeResult]:
        identifiers = list(dict.fromkeys(one for one in chunk if isinstance(one, str)))
        rows = self.house.assessor.kept(session, identifiers, civil_day(call.now))
        stands = {one: row.grade(frame[1]) for one, row in rows.items()} if _is_now(request) else {}
        documents = {one: document for one, document in stands.items() if document is not None}
        others = [one for one in identifiers if one not in documents]
        graded = {g.subject_id: g for g in self.house.assessor.grades(session, others, *frame)}
        results = []
        for index, one in enumerate(chunk, start):
            result = pb.BatchGradeResult(index=index)
            try:
                if isinstance(one, CreditError):
                    raise one
                row = rows.get(one)
                check_subject(call.caller, one, row.kind if row else None)
                document = documents.get(one) or _document(graded[one])
                region = row.supervising_region if row else None
                record = grade_message(document, frame)
                state_target(record, self._targets)
                result.grade.CopyFrom(redact(record, call.caller, region))
            except CreditError as error:
                result.problem.CopyFrom(wire.problem_message(Problem("subject", "", error.message, error.reason)))
            results.append(result)
        return results


class _Asked(NamedTuple):
    subject_id: str
    call: Call
    frame: Frame
    is_now: bool
    # Whether the caller states each time of the frame.
    states: tuple[bool, ...]


class _Answer(NamedTuple):
    shown: Shown
    frame: Frame
    stale_sources: list[str]
    # Whether it is the kept grade, which nothing but a commit or another day changes.
    is_kept: bool = False


def _response(answer: _Answer, asked: _Asked) -> pb.GetGradeResponse:
    """Returns what the caller may see of an answer."""
    shown, caller = answer.shown, asked.call.caller
    check_subject(caller, asked.subject_id, shown.kind)
    response = pb.GetGradeResponse(stale_sources=answer.stale_sources)
    grade = response.grade
    grade.ParseFromString(shown.content)
    state_frame(grade, answer.frame)
    redact(grade, caller, shown.supervising_region)
    return response


def _is_now(request: pb.GetGradeRequest | pb.BatchGetGradesRequest) -> bool:
    """Says whether the question is about now: a stated time has no kept grade."""
    return not (request.HasField("time_frame") and request.time_frame.ByteSize())


def _supposed(checked: CheckedDraft, subject_id: str, place: int, known: datetime) -> Fact:
    """Returns the fact that a record would be; its id is the place of the record, below zero, from -1."""
    field = f"events[{place}]"
    if checked.draft is None:
        problem = checked.problems[0]
        raise CreditError(
            problem.reason, f"{field}.{problem.field}: got {problem.got or 'nothing'}, want {problem.want}"
        )
    if checked.draft.op != "ASSERT":
        raise CreditError(Reason.FIELD_INVALID, f"{field}.op: got {checked.draft.op}, want ASSERT or without_event_ids")
    if checked.draft.subject_id != subject_id:
        raise CreditError(Reason.FIELD_INVALID, f"{field}.subject: got another, want {subject_id}")
    return fact_of(checked.draft, -place - 1, civil_day(known))


def _identified(subject: subjects_pb2.SubjectRef) -> str | CreditError:
    try:
        return wire.id_of(subject)
    except CreditError as error:
        return error


def _told(graded: Graded) -> dict[str, Any] | Exception:
    return graded.document() if graded.problem is None else graded.problem


def _document(graded: Graded) -> dict[str, Any]:
    if graded.problem is not None:
        raise graded.problem
    return graded.document()


def _behind(explained: Explained) -> list[int]:
    """Returns the events behind the points and vetoes of a grade."""
    parts = (*explained.contributions, *explained.exposure)
    points = {event_id for part in parts for event_id in part.event_ids}
    return sorted(points.union(*(veto.event_ids for veto in explained.graded.vetoes)))


def _recorded(row: ChangeRow, restated: Restated | None) -> pb.GradeRecord:
    record = grade_message(wire.loads(row.document), (row.commit_time, row.commit_time))
    if restated is not None:
        record.restatement.CopyFrom(
            pb.GradeRestatement(
                grade=pb.Grade.Value(f"GRADE_{restated.graded.grade}"), score=restated.graded.score,
                added_event_ids=map(str, restated.added), gone_event_ids=map(str, restated.gone),
            )
        )  # fmt: skip
    return record
