"""Who calls is read from the certificate; without a certificate of this service nobody is heard."""

import grpc
import pytest

from credit_service.api.identity import Caller, identity_uri, parse_identity
from credit_service.certificates import Holder, make_authority, write_profile
from credit_service.cli.connection import Connection, read_profile
from credit_service.errors import CreditError
from credit_service.v1 import grades_pb2, grades_pb2_grpc, sync_pb2, sync_pb2_grpc
from tests.api.street import NOW, Street


def test_client_without_a_certificate_is_refused_by_the_handshake(street: Street) -> None:
    credentials = grpc.ssl_channel_credentials((street.folder / "ca.pem").read_bytes())
    with grpc.secure_channel(street.target, credentials) as channel, pytest.raises(grpc.RpcError) as refused:
        grades_pb2_grpc.GradeServiceStub(channel).GetGrade(grades_pb2.GetGradeRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_plaintext_client_is_refused(street: Street) -> None:
    with grpc.insecure_channel(street.target) as channel, pytest.raises(grpc.RpcError) as refused:
        grades_pb2_grpc.GradeServiceStub(channel).GetGrade(grades_pb2.GetGradeRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_certificate_of_another_authority_is_refused(street: Street, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stranger")
    holder = Holder("regulator", identity_uri(Caller("regulator", "bureau", "", officer="x")))
    make_authority(folder, NOW).issue_client(holder)
    (folder / "ca.pem").write_bytes((street.folder / "ca.pem").read_bytes())
    profile = write_profile(folder, holder, street.target)
    with pytest.raises(grpc.RpcError) as refused:
        Connection(read_profile(str(profile))).call(
            sync_pb2_grpc.SyncServiceStub, "GetFeedInfo", sync_pb2.GetFeedInfoRequest(), timeout=10
        )
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "uri",
    [
        "urn:safety-credit:king:bureau",
        "urn:safety-credit:regulator:",
        "urn:safety-credit:enterprise:firm",
        "urn:safety-credit:agency:bureau;colour=red",
        "urn:safety-credit::bureau",
        "urn:safety-credit:",
    ],
)
def test_identity_of_another_form_is_refused(uri: str) -> None:
    with pytest.raises(CreditError, match="want role, agency"):
        parse_identity(uri, "key")


def test_identity_reads_back_as_it_was_written() -> None:
    caller = Caller("regulator", "bureau", "key", officer="officer-9", region="110108")
    assert parse_identity(identity_uri(caller), "key") == caller


@pytest.mark.parametrize(
    ("own", "region", "covered"),
    [
        ("", None, True),
        ("110108", "110108", True),
        ("11", "110105", True),
        ("110108", "110105", False),
        ("11", None, False),
    ],
)
def test_jurisdiction_covers_by_the_beginning_of_the_division(own: str, region: str | None, covered: bool) -> None:
    assert Caller("regulator", "bureau", "key", region=own).covers(region) is covered
