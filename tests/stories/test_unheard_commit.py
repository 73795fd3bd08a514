"""A commit whose answer was lost: it stands in the database, and nobody was told. What follows from it must follow."""

from collections.abc import Iterator

import grpc
import pytest

from credit_service.api.status import reason_of
from credit_service.api.wire import draft_of
from credit_service.cli.settling import wait_until_judged
from credit_service.v1 import ledger_pb2, listings_pb2
from tests.api.street import Clock, Street, a_code, major_accident, ref, registered, serving, status
from tests.stories.postgres import postgres_process
from tests.stories.proxy import CuttingProxy


@pytest.fixture(scope="module")
def unheard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Street, CuttingProxy]]:
    """Holds a server whose database is reached through a proxy; SQLite has no connection that could be lost."""
    folder = tmp_path_factory.mktemp("unheard")
    with postgres_process() as database:
        database.start()
        database.create("credit")
        with CuttingProxy(database.port) as proxy:
            through = database.address("credit", proxy.port)
            # Queries go another way, so that the commit that is cut is the ledger's.
            with serving(folder, Clock(), database_url=through, audit_url=database.create("audit")) as street:
                yield street, proxy


def rules_of(street: Street, code: str) -> set[str]:
    """Returns the rules that opened a candidate for an enterprise."""
    wait_until_judged(street.connect("operator"))
    request = listings_pb2.SearchListingsRequest(subject=ref(code))
    return {row.rule_id for row in street.ask("regulator", "ListingService/SearchListings", request).listings}


def stream_unheard(street: Street, proxy: CuttingProxy, code: str) -> ledger_pb2.StreamEventsRequest:
    """Streams a major accident of an enterprise whose commit is done but never heard of."""
    street.must_collect(registered(code))
    wait_until_judged(street.connect("operator"))
    frame = ledger_pb2.StreamEventsRequest(events=[draft_of(record) for record in major_accident(code)])
    # With its end: BEGIN speaks of READ COMMITTED.
    cuts = proxy.cuts
    proxy.cut_answer_of(b"COMMIT\0")
    with pytest.raises(grpc.RpcError) as refused:
        street.ask("source", "LedgerService/StreamEvents", iter([frame]))
    assert reason_of(refused.value)[0] == "STORAGE_UNAVAILABLE"
    assert proxy.cuts == cuts + 1
    return frame


def test_unheard_commit_is_judged_when_it_is_sent_again(unheard: tuple[Street, CuttingProxy]) -> None:
    street, code = unheard[0], a_code()
    frame = stream_unheard(*unheard, code)
    answer = street.ask("source", "LedgerService/StreamEvents", iter([frame]))[0]
    assert [status(result) for result in answer.results] == ["DUPLICATE", "DUPLICATE"]
    assert rules_of(street, code) == {"B-01"}


def test_unheard_commit_is_judged_when_a_batch_comes_next(unheard: tuple[Street, CuttingProxy]) -> None:
    street, code = unheard[0], a_code()
    stream_unheard(*unheard, code)
    street.must_collect(registered(a_code()))
    events = ledger_pb2.ListEventsRequest(subject=ref(code))
    assert len(street.ask("regulator", "LedgerService/ListEvents", events).events) == 3
    assert rules_of(street, code) == {"B-01"}
