"""A source that streams records through any number of faults and remembers what was acknowledged."""

import queue
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from credit_service.api.status import reason_of
from credit_service.api.wire import draft_of
from credit_service.cli.connection import Profile
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc

Key = tuple[str, str, int]
Request = ledger_pb2.StreamEventsRequest


def key_of(record: dict[str, Any]) -> Key:
    """Returns the key under which the ledger keeps a record."""
    return record["source"], record["source_record_id"], record.get("source_version", 1)


@dataclass
class Sender:
    """Streams records in frames; each broken stream goes on behind what was acknowledged, or what the service kept.

    A named stream asks the service where to go on; an unnamed one sends again whatever was not acknowledged.
    """

    records: Sequence[dict[str, Any]]
    stream_id: str = ""
    frame: int = 20
    done: int = 0
    statuses: dict[Key, str] = field(default_factory=dict)
    event_ids: dict[Key, int] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def is_done(self) -> bool:
        """Says whether the service answered for every record."""
        return self.done == len(self.records)

    def send(self, profile: Profile) -> bool:
        """Streams what is left on a connection of its own; says whether it came to the end."""
        files = [Path(name).read_bytes() for name in (profile.ca, profile.key, profile.certificate)]
        # Without a pool of its own, the next connection would wait for the pause after a failed one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        with grpc.secure_channel(profile.target, grpc.ssl_channel_credentials(*files), options=options) as channel:
            answers = ledger_pb2_grpc.LedgerServiceStub(channel).StreamEvents(iter(requests.get, None), timeout=120)
            try:
                self._converse(requests, answers)
            except grpc.RpcError as error:
                self.failures[reason_of(error)[0] or error.code().name] += 1
            finally:
                requests.put(None)
        return self.is_done

    def _converse(self, requests: "queue.SimpleQueue[Request | None]", answers: Any) -> None:
        offset = 0
        if self.stream_id:
            requests.put(Request(stream_id=self.stream_id))
            offset = next(answers).next_offset
            assert offset >= self.done, "the service forgot what it acknowledged"
            self.done = offset
        under_way: deque[Sequence[dict[str, Any]]] = deque()
        for start in range(self.done, len(self.records), self.frame):
            frame = self.records[start : start + self.frame]
            drafts = [draft_of(record) for record in frame]
            under_way.append(frame)
            requests.put(Request(stream_id=self.stream_id, offset=offset, events=drafts))
            offset += len(frame)
        requests.put(None)
        for answer in answers:
            self._settle(under_way.popleft(), answer.results)

    def _settle(self, frame: Sequence[dict[str, Any]], results: Sequence[ledger_pb2.SubmitResult]) -> None:
        for record, result in zip(frame, results, strict=True):
            key, event_id = key_of(record), int(result.event_id or 0)
            assert self.event_ids.setdefault(key, event_id) == event_id, "an acknowledged event moved"
            self.statuses[key] = ledger_pb2.SubmitStatus.Name(result.status).removeprefix("SUBMIT_STATUS_")
        self.done += len(frame)
