"""Trying a draft edition on a filled ledger: how many subjects are judged a second, each one twice."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.settling import wait_until_judged
from credit_service.v1 import rulebook_pb2, rulebook_pb2_grpc
from tests.bench.ingest import rounds, send, timed
from tests.stories.processes import server_process

DRAFT = 'id = "draft"\nextends = "cn-2026-04"\n[[rules]]\nid = "B-01"\ndrop = true\n'


def measure_trying(events: int) -> dict[str, object]:
    """Returns the figures, through the server, over mutual TLS."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        server = stack.enter_context(server_process(folder))
        server.start()
        source, regulator = (Connection(read_profile(server.profile(role))) for role in ("source", "regulator"))
        for frames in rounds(events):
            send(source, frames)
        wait_until_judged(source)
        request, counted = rulebook_pb2.TryRulebookRequest(document=DRAFT), [0]

        def try_draft() -> None:
            stub = rulebook_pb2_grpc.RulebookServiceStub
            for answer in regulator.call(stub, "TryRulebook", request, timeout=3600):
                counted[0] = answer.judged_subjects

        seconds = timed(partial(try_draft))
    return {
        "try_rulebook_subjects_per_s": round(counted[0] / seconds),
        "try_rulebook": {"subjects": counted[0], "events": events, "seconds": round(seconds, 2)},
    }
