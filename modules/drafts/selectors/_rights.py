"""Who may see and change what of the diary: the one place that says so, as rows and not as a check to be forgotten.

What somebody owns is theirs with all that is in it; a share opens its project, property or unit, and what is in that. A
draft is its author's alone, or its owner's where the author has left. `to` is a person of the tenant in scope; None
is the tenant's own program, which sees and changes everything.
"""

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from modules.accounts.models import Membership
from modules.drafts.domain import Right
from modules.drafts.models import (
    Comment,
    Contact,
    Document,
    Invitation,
    Project,
    Property,
    Record,
    ShareMember,
    ShareRole,
    TargetType,
    Unit,
)

_ROLES: dict[Right, list[str]] = {
    Right.READ: [ShareRole.READER, ShareRole.EDITOR],
    Right.WRITE: [ShareRole.EDITOR],
    Right.OWN: [],
}


def projects(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Project]":
    """Return the projects in scope that are not deleted and in which the person has the right."""
    found = Project.objects.filter(deleted_at=None)
    return found if to is None else found.filter(_owned_by(to) | _shared(TargetType.PROJECT, to, right))


def properties(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Property]":
    """Return the properties, with their projects, in which the person has the right."""
    found = Property.objects.filter(deleted_at=None, project__deleted_at=None).select_related("project")
    if to is None:
        return found
    return found.filter(Q(project__in=projects(to=to, right=right)) | _shared(TargetType.PROPERTY, to, right))


def units(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Unit]":
    """Return the units, with their properties, in which the person has the right."""
    found = Unit.objects.filter(_is_there(), deleted_at=None).select_related("property")
    if to is None:
        return found
    whole = Q(property__in=properties(to=to, right=right).values("pk"))
    return found.filter(whole | _shared(TargetType.UNIT, to, right))


def contacts(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Contact]":
    """Return whom to call about the properties in which the person has the right; a unit alone has no contacts."""
    found = Contact.objects.filter(_is_there(), deleted_at=None).select_related("property")
    return found if to is None else found.filter(property__in=properties(to=to, right=right).values("pk"))


def records(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Record]":
    """Return the records, with what they are about, in which the person has the right; none on their way out.

    Who wrote something reads it even where nothing is shared with them any more.
    """
    there = Record.objects.filter(_is_there(), deleted_at=None, deletion_started_at=None)
    found = there.filter(Q(unit=None) | Q(unit__deleted_at=None)).select_related("property", "unit")
    if to is None:
        return found
    mine = Q(author_id=to)
    open_ones = Q(status=Record.Status.PUBLISHED) | _left_to(to)
    if right == Right.READ:
        return found.filter(mine | (_placed(to, right) & open_ones))
    return found.filter(_placed(to, right) & (mine | open_ones))


def documents(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Document]":
    """Return the documents, with their records, of records in which the person has the right."""
    found = Document.objects.filter(deleted_at=None).select_related("record")
    return found.filter(record__in=records(to=to, right=right).values("pk"))


def comments(*, to: int | None, right: Right = Right.READ) -> "QuerySet[Comment]":
    """Return what was said, with the records, where the person has the right.

    To change a remark (WRITE) takes its author, to withdraw it (OWN) its author or the owner of the place.
    """
    found = Comment.objects.filter(deleted_at=None).select_related("record")
    there = found.filter(record__in=records(to=to, right=min(right, Right.WRITE)).values("pk"))
    if to is None or right == Right.READ:
        return there
    owned = Q(record__property__project__in=projects(to=to, right=Right.OWN))
    return there.filter(Q(author_id=to) | owned if right == Right.OWN else Q(author_id=to))


def invitations(*, to: int | None) -> "QuerySet[Invitation]":
    """Return the invitations to what the person owns."""
    return Invitation.objects.all() if to is None else Invitation.objects.filter(_to_owned(to))


def shares(*, to: int | None) -> "QuerySet[ShareMember]":
    """Return with whom is shared what the person owns, and what is shared with them: what they may end, too."""
    return ShareMember.objects.all() if to is None else ShareMember.objects.filter(Q(user_id=to) | _to_owned(to))


def targets(target_type: str, *, to: int | None, right: Right = Right.READ) -> "QuerySet[Any]":
    """Return the projects, properties or units in which the person has the right."""
    rows: dict[str, Any] = {TargetType.PROJECT: projects, TargetType.PROPERTY: properties, TargetType.UNIT: units}
    found: QuerySet[Any] = rows[target_type](to=to, right=right)
    return found


def may_in(*, to: int | None, right: Right, property_id: UUID | str, unit_id: UUID | str | None) -> bool:
    """Return whether the person has the right in a property, or in the unit of it that is meant; by public ids."""
    if properties(to=to, right=right).filter(public_id=property_id).exists():
        return True
    if unit_id is None:
        return False
    return units(to=to, right=right).filter(public_id=unit_id, property__public_id=property_id).exists()


def _is_there() -> Q:
    """Return what makes a row one of a property that is not deleted, nor its project: what is in it goes with it."""
    return Q(property__deleted_at=None, property__project__deleted_at=None)


def _owned_by(to: int) -> Q:
    """Return what makes a project the person's: they own it, or nobody does and they are an admin of its tenant."""
    admins = Membership.objects.filter(tenant_id=OuterRef("tenant_id"), user_id=to, role=Membership.Role.ADMIN)
    return Q(owner_id=to) | (Q(owner=None) & Q(Exists(admins)))


def _shared(kind: str, to: int, right: Right) -> Q:
    """Return what makes a row of this kind one that is shared with the person itself."""
    theirs = ShareMember.objects.filter(user_id=to, target_type=kind, role__in=_ROLES[right])
    # Of the same tenant, also where all are in scope: a share opens nothing elsewhere.
    return Q(Exists(theirs.filter(tenant_id=OuterRef("tenant_id"), target_id=OuterRef("pk"))))


def _placed(to: int, right: Right) -> Q:
    """Return what makes a record one of a place in which the person has the right."""
    parts = Unit.objects.filter(_shared(TargetType.UNIT, to, right), deleted_at=None)
    return Q(property__in=properties(to=to, right=right).values("pk")) | Q(unit__in=parts.values("pk"))


def _left_to(to: int) -> Q:
    """Return what makes a draft the person's whose author has left: it is in a project of theirs."""
    members = Membership.objects.filter(tenant_id=OuterRef("tenant_id"), user__is_active=True)
    left = ~Q(Exists(members.filter(user_id=OuterRef("author_id"))))
    return left & Q(property__project__in=projects(to=to, right=Right.OWN))


def _to_owned(to: int) -> Q:
    found = Q()
    for kind in TargetType.values:
        owned = targets(kind, to=to, right=Right.OWN)
        found |= Q(target_type=kind, target_id__in=owned.values("pk"))
    return found
