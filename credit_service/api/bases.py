"""Legal bases as messages, and as they stand in the document of an explanation."""

from collections.abc import Iterable

from credit_service.rulebook.articles import articles_behind
from credit_service.rulebook.law import Edition, LegalBasis
from credit_service.v1 import grades_pb2
from credit_service.v1 import rulebook_pb2 as pb


def basis_messages(bases: Iterable[LegalBasis]) -> list[pb.LegalBasis]:
    """Returns legal bases as messages, the founding one first."""
    return [pb.LegalBasis(**basis_document(basis)) for basis in bases]


def basis_document(basis: LegalBasis) -> dict[str, str]:
    """Returns a legal basis as plain values, by the names of the contract."""
    return {"instrument": basis.instrument, "article": basis.article, "source": basis.source, "role": basis.role}


def state_bases(record: grades_pb2.GradeRecord, edition: Edition, day: int) -> None:
    """States by which articles each reason of a grade counts on its day, and each veto caps it."""
    for reason in record.reasons:
        reason.bases.extend(basis_messages(articles_behind(edition, reason.feature, day)))
    by_veto = {rule.id: rule.bases for rule in edition.grading.vetoes}
    for veto in record.vetoes:
        veto.bases.extend(basis_messages(by_veto.get(veto.veto_id, ())))
