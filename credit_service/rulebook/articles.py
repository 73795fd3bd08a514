"""By which articles points count on a day: the bases of points of an edition. Pure."""

from credit_service.rulebook.law import Edition, LegalBasis


def articles_behind(edition: Edition, name: str, day: int) -> tuple[LegalBasis, ...]:
    """Returns the articles by which a feature or line counts on a day, the founding one first.

    An article counts from the first day of its text. Where none is left the policy of the edition itself says so, and
    nothing else: points without an article of law are never given one.
    """
    found = edition.grading.points_bases.get(name)
    bases = _of_line(edition, name) if found is None else found.bases
    return tuple(basis for basis in bases if basis.since_day <= day) or (_policy(edition),)


def _of_line(edition: Edition, name: str) -> tuple[LegalBasis, ...]:
    lines = edition.grading.points.lines if edition.grading.points else ()
    return next((line.bases for line in lines if line.id == name), ())


def _policy(edition: Edition) -> LegalBasis:
    return LegalBasis(
        f"评级规则 {edition.id}", "-", "default", "DEFAULT", f"评级规则 {edition.id}", f"Edition {edition.id}"
    )
