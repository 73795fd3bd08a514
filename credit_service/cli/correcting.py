"""Corrections of files: a row that changed since it was collected becomes the next version of its record.

Files carry no versions. What the ledger holds is asked of the service each time, so that a file sent twice, or a row
changed back to what it first said, is understood whatever was sent before.
"""

from collections.abc import Sequence

from credit_service.cli.connection import Connection
from credit_service.errors import shown
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc, subjects_pb2

DUPLICATE, CONFLICT = ledger_pb2.SUBMIT_STATUS_DUPLICATE, ledger_pb2.SUBMIT_STATUS_CONFLICT
Results = list[ledger_pb2.SubmitResult]


def corrected(connection: Connection, drafts: Sequence[ledger_pb2.EventDraft], results: Results) -> Results:
    """Returns the answers after every record that stands otherwise in the ledger was sent as its next version.

    A record that was withdrawn stays withdrawn: its answer names that, and a higher version must be sent on purpose.
    """
    final = list(results)
    stands = {
        n: r.latest_version for n, r in enumerate(results) if r.latest_version and r.status in (DUPLICATE, CONFLICT)
    }
    # Is the newest version what the row says? Then nothing is new.
    told = _sent(connection, drafts, stands)
    changed = {n: stands[n] + 1 for n, result in told.items() if result.status == CONFLICT}
    final = [told.get(n, result) for n, result in enumerate(final)]
    # What a person's record is called the service says.
    names = {n: final[n].source_record_id or drafts[n].source_record_id for n in changed}
    held = {n for n in changed if _is_withdrawn(connection, drafts[n].source, names[n], stands[n])}
    for n in held:
        final[n].problems[0].CopyFrom(_held(names[n], stands[n]))
    told = _sent(connection, drafts, {n: version for n, version in changed.items() if n not in held})
    return [told.get(n, result) for n, result in enumerate(final)]


def _sent(
    connection: Connection, drafts: Sequence[ledger_pb2.EventDraft], versions: dict[int, int]
) -> dict[int, ledger_pb2.SubmitResult]:
    """Sends records as the given versions; returns the answers by their places."""
    if not versions:
        return {}
    for place, version in versions.items():
        drafts[place].source_version = version
    request = ledger_pb2.SubmitEventsRequest(request_id="correction", events=[drafts[n] for n in versions])
    answer = connection.call(ledger_pb2_grpc.LedgerServiceStub, "SubmitEvents", request)
    return dict(zip(versions, answer.results, strict=True))


def _is_withdrawn(connection: Connection, source: str, record_id: str, version: int) -> bool:
    request = ledger_pb2.GetReceiptRequest(source=source, source_record_id=record_id, source_version=version)
    found: bool = connection.call(ledger_pb2_grpc.LedgerServiceStub, "GetReceipt", request).is_retraction
    return found


def _held(record_id: str, version: int) -> subjects_pb2.Problem:
    return subjects_pb2.Problem(
        field="source_record_id", got=f"{shown(record_id)}, withdrawn by version {version}",
        want=f"version {version + 1} sent on purpose, as a JSON line", reason="KEY_CONFLICT",
    )  # fmt: skip
