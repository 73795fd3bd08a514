"""Who may call what: one table, method by method."""

from collections.abc import Mapping
from dataclasses import dataclass

from credit_service.api.identity import Caller
from credit_service.errors import CreditError, Reason

EVERYONE = frozenset({"regulator", "agency", "insurer", "enterprise", "operator"})
READERS = frozenset({"regulator", "agency", "insurer", "enterprise"})
OFFICIALS = frozenset({"regulator", "agency"})
REGULATOR = frozenset({"regulator"})
AGENCY = frozenset({"agency"})
# These roles act for somebody else's ends and must say which.
MUST_STATE_PURPOSE = frozenset({"agency", "insurer"})


@dataclass(frozen=True, slots=True)
class Access:
    """Says which roles may call a method and whether it asks about subjects."""

    roles: frozenset[str]
    asks_about_subjects: bool = False


# Each makes one move of a listing; only a named officer may.
LISTING_MOVES = (
    "NominateListing", "NotifyListing", "RecordService", "RecordStatement", "DecideListing", "ConfirmListing",
    "PublishListing", "DropListing", "Delist", "RevokeListing", "Reinstate", "StayListing", "LiftStay",
    "TransferListing", "ProposeChange", "AnswerChange", "ReaffirmListing",
)  # fmt: skip
METHODS: Mapping[str, Access] = {
    "SubjectService/GetSubject": Access(READERS, True),
    "SubjectService/SearchSubjects": Access(OFFICIALS | {"insurer"}, True),
    "SubjectService/ScreenSubjects": Access(OFFICIALS | {"insurer"}, True),
    "LedgerService/SubmitEvents": Access(OFFICIALS),
    "LedgerService/StreamEvents": Access(OFFICIALS),
    "LedgerService/GetReceipt": Access(OFFICIALS),
    "LedgerService/ReleaseQuarantined": Access(OFFICIALS),
    "LedgerService/ListQuarantined": Access(OFFICIALS),
    "LedgerService/DeclareWatermark": Access(OFFICIALS),
    "LedgerService/GetEvent": Access(REGULATOR | {"enterprise"}, True),
    "LedgerService/ListEvents": Access(REGULATOR | {"enterprise"}, True),
    "RulebookService/GetRulebook": Access(EVERYONE),
    "RulebookService/TryRulebook": Access(REGULATOR, True),
    "RulebookService/AdoptRulebook": Access(REGULATOR),
    "ListingService/GetListing": Access(READERS, True),
    "ListingService/SearchListings": Access(READERS, True),
    "ListingService/ListDeadlines": Access(REGULATOR, True),
    **{f"ListingService/{name}": Access(REGULATOR, True) for name in LISTING_MOVES},
    "RemedyService/RequestEarlyRemoval": Access(REGULATOR | {"enterprise"}, True),
    "RemedyService/AcceptEarlyRemoval": Access(REGULATOR, True),
    "RemedyService/DecideEarlyRemoval": Access(REGULATOR, True),
    "RemedyService/FileObjection": Access(REGULATOR | {"enterprise"}, True),
    "RemedyService/DecideObjection": Access(REGULATOR, True),
    "RemedyService/RequestRepair": Access(REGULATOR | {"enterprise"}, True),
    "RemedyService/DecideRepair": Access(REGULATOR, True),
    "RemedyService/RevokeRepair": Access(REGULATOR, True),
    "RemedyService/ListRemedies": Access(REGULATOR | {"enterprise"}, True),
    "RemedyService/PlanRepair": Access(REGULATOR | {"enterprise"}, True),
    "GradeService/GetGrade": Access(READERS, True),
    "GradeService/BatchGetGrades": Access(OFFICIALS | {"insurer"}, True),
    "GradeService/ExplainGrade": Access(REGULATOR | {"enterprise"}, True),
    "GradeService/ListGradeHistory": Access(REGULATOR | {"enterprise"}, True),
    "GradeService/TryGrade": Access(REGULATOR | {"enterprise"}, True),
    "GradeService/ListReviews": Access(REGULATOR, True),
    "GradeService/DecideReview": Access(REGULATOR, True),
    "GradeService/OverrideGrade": Access(REGULATOR, True),
    "GradeService/DecideOverride": Access(REGULATOR, True),
    "GradeService/EndOverride": Access(REGULATOR, True),
    "GradeService/ListOverrides": Access(REGULATOR | {"enterprise"}, True),
    "ModelService/GetModel": Access(frozenset({"regulator", "enterprise", "operator"})),
    "SyncService/GetFeedInfo": Access(EVERYONE),
    "SyncService/GetSnapshot": Access(OFFICIALS | {"enterprise"}, True),
    "SyncService/Subscribe": Access(OFFICIALS | {"enterprise"}, True),
    "SyncService/ReportMeasures": Access(AGENCY, True),
    "SyncService/ListObligations": Access(OFFICIALS, True),
    "AuditService/ListQueries": Access(REGULATOR | {"enterprise"}),
}
# Not built yet: answered to every authenticated caller with UNIMPLEMENTED.
LATER = Access(EVERYONE)


def check_access(method: str, caller: Caller, purpose: str) -> Access:
    """Returns the method's access; fails with ROLE_FORBIDDEN or PURPOSE_REQUIRED."""
    access = METHODS.get(method, LATER)
    if caller.role not in access.roles:
        want = ", ".join(sorted(access.roles))
        raise CreditError(Reason.ROLE_FORBIDDEN, f"caller: got role {caller.role}, want {want}", method=method)
    if access.asks_about_subjects and caller.role in MUST_STATE_PURPOSE and not purpose:
        raise CreditError(Reason.PURPOSE_REQUIRED, "x-purpose: got nothing, want the purpose of the query")
    return access


def check_subject(caller: Caller, subject_id: str, subject_kind: str | None = None) -> None:
    """Fails when the caller may not ask about this subject at all.

    PERSON_NOT_VISIBLE is the same whether the person is known or not, so that existence stays hidden.
    """
    is_person = subject_kind == "PERSON" or subject_id.startswith("PERSON:")
    if is_person and caller.role != "regulator":
        raise CreditError(
            Reason.PERSON_NOT_VISIBLE, "subject: got a person, want an enterprise; persons are for regulators"
        )
    if caller.role == "enterprise" and subject_id != caller.subject_id:
        raise CreditError(Reason.NOT_OWN_SUBJECT, "subject: got another enterprise, want the caller's own")


def check_jurisdiction(caller: Caller, region: str | None) -> None:
    """Fails with OUT_OF_JURISDICTION when only the officer in charge may see what is asked for."""
    if not caller.covers(region):
        raise CreditError(
            Reason.OUT_OF_JURISDICTION,
            f"subject: got one supervised in {region or 'no known region'}, want one of {caller.region}",
        )
