"""How far the service is: in which life of its database, and whether all that was collected has been judged."""

import time

from credit_service.cli.connection import Connection
from credit_service.v1 import sync_pb2, sync_pb2_grpc

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0


def epoch_of(connection: Connection) -> str:
    """Returns the life of the database; a restore begins another."""
    info = connection.call(sync_pb2_grpc.SyncServiceStub, "GetFeedInfo", sync_pb2.GetFeedInfoRequest())
    return str(info.epoch)


def wait_until_judged(connection: Connection) -> None:
    """Returns when everything in the ledger at the time of the call has been judged."""
    wanted, pause = None, FIRST_PAUSE
    while True:
        info = connection.call(sync_pb2_grpc.SyncServiceStub, "GetFeedInfo", sync_pb2.GetFeedInfoRequest())
        wanted = info.event_count if wanted is None else wanted
        if info.judged_event_count >= wanted:
            return
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)
