"""Who follows the feed has seen everybody: the query records of each subject say so."""

import pytest

from credit_service.v1 import audit_pb2 as pb
from credit_service.v1 import sync_pb2
from tests.api.street import Street, a_code, ref, registered


@pytest.mark.parametrize("method", ["GetSnapshot", "Subscribe"])
def test_who_follows_the_feed_has_asked_about_everybody(street: Street, method: str) -> None:
    code = a_code()
    street.must_collect(registered(code))
    if method == "GetSnapshot":
        street.ask("agency", "SyncService/GetSnapshot", sync_pb2.GetSnapshotRequest(), "联合惩戒")
    else:
        opening = sync_pb2.SubscribeRequest(start=sync_pb2.SubscribeStart(heartbeat_seconds=1))
        list(street.open("agency", "SyncService/Subscribe", iter([opening]), "联合惩戒"))
    answer = street.ask("regulator", "AuditService/ListQueries", pb.ListQueriesRequest(subject=ref(code)))
    last = answer.queries[0]
    assert (last.agency, last.method, last.purpose) == ("market-supervision", f"SyncService/{method}", "联合惩戒")
