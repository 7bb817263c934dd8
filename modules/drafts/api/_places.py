"""Projects, their properties, the units of these, and whom to call about them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Status
from pydantic import Field, StringConstraints

from modules.drafts import selectors, services
from modules.drafts.api._changes import Contents, ContentsOut, as_gone, changed, deleted, given
from modules.drafts.api._router import router
from modules.drafts.api._shared import (
    Name,
    Note,
    PageFilter,
    Person,
    acting_if_any,
    caller_person,
    may_begin,
    page_of,
    tenant_of,
    the,
    wrong,
)
from modules.drafts.domain import Right
from modules.drafts.models import Contact, Project, Property, Unit
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, refuse_unknown

Address = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^([^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+)?$")]
Phone = Annotated[str, StringConstraints(max_length=50, pattern=r"^[^\x00-\x1f\x7f]*$")]


class ProjectIn(Body):
    """What is to be kept together; a person owns what they make."""

    name: Name
    owner_id: Person = None


class ProjectOut(Camel):
    """What somebody keeps together. `ownerId` is null where nobody owns it any more."""

    id: UUID
    name: str
    owner_id: int | None
    created_at: datetime


class ProjectPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    projects: list[ProjectOut]
    next_cursor: int | None


class ProjectEdit(Body):
    """What is to change of a project; what is not named stays. Only its owner, or a program, hands it over."""

    name: Name | None = None
    owner_id: Person = None


class PropertyEdit(Body):
    """What is to change of a property; what is not named stays."""

    name: Name | None = None
    address: Address | None = None


class UnitEdit(Body):
    """What is to change of a unit."""

    name: Name


class ContactEdit(Body):
    """What is to change of a contact; what is not named stays."""

    name: Name | None = None
    purpose: Note | None = None
    email: Email | None = None
    phone: Phone | None = None


class PropertyIn(Body):
    """A house, a flat, a piece of land."""

    name: Name
    address: Address = ""


class PropertyOut(Camel):
    """A property of a project."""

    id: UUID
    project_id: UUID
    name: str
    address: str
    created_at: datetime


class PropertyPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    properties: list[PropertyOut]
    next_cursor: int | None


class PropertyFilter(PageFilter):
    """Which properties."""

    project_id: UUID | None = None


class UnitIn(Body):
    """A part of a property."""

    name: Name


class UnitOut(Camel):
    """A part of a property."""

    id: UUID
    property_id: UUID
    name: str
    created_at: datetime


class UnitPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    units: list[UnitOut]
    next_cursor: int | None


class ContactIn(Body):
    """Somebody to call about a property; `purpose` says what for."""

    name: Name
    purpose: Note = ""
    email: Email = ""
    phone: Phone = Field(default="", description="As people write it.")


class ContactOut(Camel):
    """Somebody to call about a property."""

    id: UUID
    property_id: UUID
    name: str
    purpose: str
    email: str
    phone: str
    created_at: datetime


class ContactPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    contacts: list[ContactOut]
    next_cursor: int | None


@router.get("/projects", response=ProjectPage, summary="List projects")
def list_projects(request: HttpRequest, wanted: Annotated[PageFilter, Query()]) -> ProjectPage:
    """List the projects that the caller may see, whole."""
    page, cursor = page_of(request, selectors.projects(to=caller_person(request)), wanted)
    return ProjectPage(projects=[_project_out(project) for project in page], next_cursor=cursor)


@router.post("/projects", response={201: ProjectOut}, summary="Create a project")
def create_project(request: HttpRequest, wanted: ProjectIn) -> Status[ProjectOut]:
    """Create a project; a viewer or a guest of the tenant makes none."""
    if not may_begin(request):
        raise Problem(403, _("A viewer or a guest begins no projects."))
    owner_id = acting_if_any(request, wanted.owner_id, field="ownerId")
    project = services.create_project(
        tenant_id=tenant_of(request),
        name=wanted.name,
        owner_id=owner_id,
        by_id=caller_person(request),
        now=clock.now(),
    )
    return Status(201, _project_out(project))


@router.get("/projects/{uuid:project_id}", response=ProjectOut, summary="Look at a project")
def get_project(request: HttpRequest, project_id: UUID) -> ProjectOut:
    """Show a project."""
    refuse_unknown(request, [])
    return _project_out(_project(request, project_id))


@router.post("/projects/{uuid:project_id}/properties", response={201: PropertyOut}, summary="Create a property")
def create_property(request: HttpRequest, project_id: UUID, wanted: PropertyIn) -> Status[PropertyOut]:
    """Add a property to a project."""
    refuse_unknown(request, [])
    place = services.add_property(
        project=_project(request, project_id, Right.WRITE),
        name=wanted.name,
        address=wanted.address,
        by_id=caller_person(request),
        now=clock.now(),
    )
    return Status(201, _property_out(place))


@router.get("/properties", response=PropertyPage, summary="List properties")
def list_properties(request: HttpRequest, wanted: Annotated[PropertyFilter, Query()]) -> PropertyPage:
    """List the properties that the caller may see, of one project or of all."""
    mine = selectors.properties(to=caller_person(request))
    page, cursor = page_of(request, mine, wanted, project__public_id=wanted.project_id)
    return PropertyPage(properties=[_property_out(place) for place in page], next_cursor=cursor)


@router.get("/properties/{uuid:property_id}", response=PropertyOut, summary="Look at a property")
def get_property(request: HttpRequest, property_id: UUID) -> PropertyOut:
    """Show a property."""
    refuse_unknown(request, [])
    return _property_out(_property(request, property_id))


@router.get("/properties/{uuid:property_id}/units", response=UnitPage, summary="List units")
def list_units(request: HttpRequest, property_id: UUID, wanted: Annotated[PageFilter, Query()]) -> UnitPage:
    """List the parts of a property."""
    mine = selectors.units(to=caller_person(request))
    page, cursor = page_of(request, mine.filter(property=_property(request, property_id)), wanted)
    return UnitPage(units=[_unit_out(unit) for unit in page], next_cursor=cursor)


@router.post("/properties/{uuid:property_id}/units", response={201: UnitOut}, summary="Create a unit")
def create_unit(request: HttpRequest, property_id: UUID, wanted: UnitIn) -> Status[UnitOut]:
    """Add a part to a property."""
    refuse_unknown(request, [])
    unit = services.add_unit(
        of=_property(request, property_id, Right.WRITE),
        name=wanted.name,
        by_id=caller_person(request),
        now=clock.now(),
    )
    return Status(201, _unit_out(unit))


@router.get("/units/{uuid:unit_id}", response=UnitOut, summary="Look at a unit")
def get_unit(request: HttpRequest, unit_id: UUID) -> UnitOut:
    """Show a part of a property."""
    refuse_unknown(request, [])
    return _unit_out(_unit(request, unit_id))


@router.get("/properties/{uuid:property_id}/contacts", response=ContactPage, summary="List contacts")
def list_contacts(request: HttpRequest, property_id: UUID, wanted: Annotated[PageFilter, Query()]) -> ContactPage:
    """List whom to call about a property."""
    mine = selectors.contacts(to=caller_person(request))
    page, cursor = page_of(request, mine.filter(property=_property(request, property_id)), wanted)
    return ContactPage(contacts=[_contact_out(contact) for contact in page], next_cursor=cursor)


@router.post("/properties/{uuid:property_id}/contacts", response={201: ContactOut}, summary="Create a contact")
def create_contact(request: HttpRequest, property_id: UUID, wanted: ContactIn) -> Status[ContactOut]:
    """Note whom to call about a property."""
    refuse_unknown(request, [])
    of = _property(request, property_id, Right.WRITE)
    contact = services.add_contact(of=of, by_id=caller_person(request), now=clock.now(), **wanted.model_dump())
    return Status(201, _contact_out(contact))


@router.patch("/projects/{uuid:project_id}", response=ProjectOut, summary="Change a project")
def edit_project(request: HttpRequest, project_id: UUID, wanted: ProjectEdit) -> ProjectOut:
    """Rename a project, or hand it over to another member of the tenant."""
    project = _project(request, project_id, Right.WRITE if wanted.owner_id is None else Right.OWN)
    fields = given(wanted)
    if wanted.owner_id is not None and not selectors.members_of([(project.tenant_id, wanted.owner_id)]):
        raise wrong("ownerId", _("There is no such person."))
    return _project_out(changed(request, project, fields))


@router.delete("/projects/{uuid:project_id}", response=ContentsOut, summary="Delete a project")
def delete_project(request: HttpRequest, project_id: UUID, wanted: Annotated[Contents, Query()]) -> ContentsOut:
    """Delete a project with all that is in it; `409` where there is something and nobody said that it may go."""
    return deleted(request, _project(request, project_id, Right.OWN), wanted)


@router.patch("/properties/{uuid:property_id}", response=PropertyOut, summary="Change a property")
def edit_property(request: HttpRequest, property_id: UUID, wanted: PropertyEdit) -> PropertyOut:
    """Change a property's name or address."""
    place = _property(request, property_id, Right.WRITE)
    return _property_out(changed(request, place, given(wanted)))


@router.delete("/properties/{uuid:property_id}", response=ContentsOut, summary="Delete a property")
def delete_property(request: HttpRequest, property_id: UUID, wanted: Annotated[Contents, Query()]) -> ContentsOut:
    """Delete a property with all that is in it; `409` where there is something and nobody said that it may go."""
    return deleted(request, _property(request, property_id, Right.OWN), wanted)


@router.patch("/units/{uuid:unit_id}", response=UnitOut, summary="Change a unit")
def edit_unit(request: HttpRequest, unit_id: UUID, wanted: UnitEdit) -> UnitOut:
    """Rename a unit."""
    return _unit_out(changed(request, _unit(request, unit_id, Right.WRITE), given(wanted)))


@router.delete("/units/{uuid:unit_id}", response=ContentsOut, summary="Delete a unit")
def delete_unit(request: HttpRequest, unit_id: UUID, wanted: Annotated[Contents, Query()]) -> ContentsOut:
    """Delete a unit with its records; `409` where there are any and nobody said that they may go."""
    return deleted(request, _unit(request, unit_id, Right.OWN), wanted)


@router.patch("/contacts/{uuid:contact_id}", response=ContactOut, summary="Change a contact")
def edit_contact(request: HttpRequest, contact_id: UUID, wanted: ContactEdit) -> ContactOut:
    """Change a contact."""
    return _contact_out(changed(request, _contact(request, contact_id, Right.WRITE), given(wanted)))


@router.delete("/contacts/{uuid:contact_id}", response={204: None}, summary="Delete a contact")
def delete_contact(request: HttpRequest, contact_id: UUID) -> Status[None]:
    """Delete a contact."""
    refuse_unknown(request, [])
    contact = _contact(request, contact_id, Right.WRITE)
    with as_gone():
        services.delete_note(contact, by_id=caller_person(request), now=clock.now())
    return Status(204, None)


def _contact(request: HttpRequest, contact_id: UUID, right: Right) -> Contact:
    return the(request, selectors.contacts, contact_id, _("There is no such contact."), right=right)


def _project(request: HttpRequest, project_id: UUID, right: Right = Right.READ) -> Project:
    return the(request, selectors.projects, project_id, _("There is no such project."), right=right)


def _property(request: HttpRequest, property_id: UUID, right: Right = Right.READ) -> Property:
    return the(request, selectors.properties, property_id, _("There is no such property."), right=right)


def _unit(request: HttpRequest, unit_id: UUID, right: Right = Right.READ) -> Unit:
    return the(request, selectors.units, unit_id, _("There is no such unit."), right=right)


def _project_out(project: Project) -> ProjectOut:
    return ProjectOut(id=project.public_id, name=project.name, owner_id=project.owner_id, created_at=project.created_at)


def _property_out(place: Property) -> PropertyOut:
    return PropertyOut(
        id=place.public_id,
        project_id=place.project.public_id,
        name=place.name,
        address=place.address,
        created_at=place.created_at,
    )


def _unit_out(unit: Unit) -> UnitOut:
    return UnitOut(id=unit.public_id, property_id=unit.property.public_id, name=unit.name, created_at=unit.created_at)


def _contact_out(contact: Contact) -> ContactOut:
    return ContactOut(
        id=contact.public_id,
        property_id=contact.property.public_id,
        name=contact.name,
        purpose=contact.purpose,
        email=contact.email,
        phone=contact.phone,
        created_at=contact.created_at,
    )
