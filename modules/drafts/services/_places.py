"""Projects, their properties, the units of these and whom to call: made and changed."""

from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction

from modules.drafts.models import Comment, Contact, Document, Project, Property, Unit
from modules.drafts.services._log import log

Changed = TypeVar("Changed", Project, Property, Unit, Contact, Comment, Document)


class Gone(LookupError):
    """Somebody deleted it meanwhile."""


@transaction.atomic
def create_project(
    *, tenant_id: int, name: str, owner_id: int | None, now: datetime, by_id: int | None = None
) -> Project:
    """Return a new project."""
    project = Project.objects.create(tenant_id=tenant_id, name=name, owner_id=owner_id, created_at=now)
    log(project, "created", by_id=by_id, at=now, name=name)
    return project


@transaction.atomic
def add_property(
    *, project: Project, name: str, now: datetime, address: str = "", by_id: int | None = None
) -> Property:
    """Return a new property of the project."""
    place = Property.objects.create(
        tenant_id=project.tenant_id, project=project, name=name, address=address, created_at=now
    )
    log(place, "created", by_id=by_id, at=now, name=name)
    return place


@transaction.atomic
def add_unit(*, of: Property, name: str, now: datetime, by_id: int | None = None) -> Unit:
    """Return a new unit of the property."""
    unit = Unit.objects.create(tenant_id=of.tenant_id, property=of, name=name, created_at=now)
    log(unit, "created", by_id=by_id, at=now, name=name)
    return unit


@transaction.atomic
def add_contact(
    *,
    of: Property,
    name: str,
    now: datetime,
    purpose: str = "",
    email: str = "",
    phone: str = "",
    by_id: int | None = None,
) -> Contact:
    """Return a new contact of the property."""
    contact = Contact.objects.create(
        tenant_id=of.tenant_id, property=of, name=name, purpose=purpose, email=email, phone=phone, created_at=now
    )
    log(contact, "created", by_id=by_id, at=now, name=name)
    return contact


@transaction.atomic
def change(row: Changed, *, now: datetime, by_id: int | None = None, **fields: Any) -> Changed:
    """Return a place, a contact, a remark or a document with these fields changed, the last writer's; raises Gone."""
    same = type(row).objects.filter(pk=row.pk, deleted_at=None)
    if not same.update(**fields):
        raise Gone("It is gone.")
    log(row, "changed", by_id=by_id, at=now, fields=sorted(fields))
    row.refresh_from_db(fields=list(fields))
    return row
