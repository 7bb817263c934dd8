"""How things of the diary are changed and deleted: what is not named stays, and what goes with something is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from django.http import HttpRequest
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.drafts import services
from modules.drafts.api._shared import caller_person, wrong
from modules.drafts.models import Comment, Contact, Document, Project, Property, Unit
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, refuse_unknown

Changed = TypeVar("Changed", Project, Property, Unit, Contact, Comment, Document)


class Contents(BaseModel):
    """Whether what is in it may go, too."""

    model_config = ConfigDict(alias_generator=to_camel)

    with_contents: bool = Field(default=False, description="Delete also what is in it.")


class ContentsOut(Camel):
    """What went with it: rows of each kind, shares that ended, invitations that were withdrawn."""

    properties: int
    units: int
    contacts: int
    records: int
    comments: int
    documents: int
    shares: int
    invitations: int


def given(wanted: Body) -> dict[str, Any]:
    """Return what is to change; raises Problem 422 where that is nothing, or a null that cannot be."""
    fields = wanted.model_dump(exclude_unset=True)
    if empty := [to_camel(name) for name, value in fields.items() if value is None]:
        raise wrong(empty[0], _("Leave out what is to stay."))
    if not fields:
        raise wrong(to_camel(next(iter(type(wanted).model_fields))), _("Name what is to change."))
    return fields


def changed(request: HttpRequest, row: Changed, fields: dict[str, Any]) -> Changed:
    """Return the row with these fields changed; raises Problem 404 where it went meanwhile."""
    refuse_unknown(request, [])
    with as_gone():
        return services.change(row, by_id=caller_person(request), now=clock.now(), **fields)


def deleted(request: HttpRequest, place: Project | Property | Unit, wanted: Contents) -> ContentsOut:
    """Delete a place; raises Problem 409 where there is something in it that may not go."""
    refuse_unknown(request, ["withContents"])
    try:
        with as_gone():
            gone = services.delete_place(
                place, with_contents=wanted.with_contents, by_id=caller_person(request), now=clock.now()
            )
    except services.NotEmpty as error:
        raise _not_empty(error.contents) from None
    return contents_out(gone)


def contents_out(contents: services.Contents) -> ContentsOut:
    """Return what went as it is told."""
    return ContentsOut(**asdict(contents))


@contextmanager
def as_gone() -> Iterator[None]:
    """Tell what can come between looking something up and changing it: raises Problem 404."""
    try:
        yield
    except services.Gone:
        raise Problem(404, _("Somebody deleted it meanwhile.")) from None


def _not_empty(contents: services.Contents) -> Problem:
    told = _(
        "There is something in it: %(properties)d properties, %(units)d units, %(contacts)d contacts, %(records)d "
        "records, %(comments)d comments, %(documents)d documents. With withContents=true it goes, too."
    )
    return Problem(409, told % vars(contents))
