"""What all operations of the diary need: pages, texts, who acts, and what is not there."""

from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from modules.drafts import selectors
from modules.drafts.domain import MAX_TEXT, Right
from modules.kernel.problems import Problem
from modules.kernel.rest import OneLine, RowId, refuse_unknown

Row = TypeVar("Row", bound=Model)
Listed_co = TypeVar("Listed_co", bound=Model, covariant=True)


class Rows(Protocol[Listed_co]):
    """Rows of the diary in which a person has a right: what `selectors` have."""

    def __call__(self, *, to: int | None, right: Right = ...) -> "QuerySet[Listed_co]":
        """Return them."""


Id = Annotated[UUID, Field(strict=False)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]
Note = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line that may be empty."""
Name = OneLine
Person = Annotated[
    RowId | None, Field(description="Who acts: a program names one of the tenant's people; a person is it oneself.")
]


class PageFilter(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(alias_generator=to_camel)

    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)


def page_of(
    request: HttpRequest, rows: "QuerySet[Row]", wanted: PageFilter, **conditions: object
) -> tuple[Sequence[Row], int | None]:
    """Return a page of the rows in scope, newest first, and the next page's cursor; conditions of None say nothing.

    Raises Problem for a parameter that there is not.
    """
    refuse_unknown(request, [to_camel(name) for name in type(wanted).model_fields])
    given = {name: value for name, value in conditions.items() if value is not None}
    found = selectors.newest(rows.filter(**given), before=wanted.cursor, limit=wanted.limit + 1)
    page = found[: wanted.limit]
    return page, page[-1].pk if len(found) > wanted.limit else None


def the(request: HttpRequest, rows: Rows[Row], public_id: UUID, told: str, *, right: Right = Right.READ) -> Row:
    """Return a row in which the caller has the right; raises Problem 404 for what they cannot see, 403 for the rest."""
    caller = caller_person(request)
    row = rows(to=caller).filter(public_id=public_id).first()
    if row is None:
        raise Problem(404, told)
    if right > Right.READ and not rows(to=caller, right=right).filter(pk=row.pk).exists():
        raise refused(right)
    return row


def refused(right: Right) -> Problem:
    """Return the refusal of who sees something and may not do this with it."""
    if right == Right.OWN:
        return Problem(403, _("Only who owns this may do so."))
    return Problem(403, _("This is shared with you for reading; its owner can let you write, too."))


def tenant_of(request: HttpRequest) -> int:
    """Return the caller's tenant."""
    tenant_id: int = request.auth.tenant_id  # type: ignore[attr-defined] # django-ninja puts it there
    return tenant_id


def caller_person(request: HttpRequest) -> int | None:
    """Return who calls; None for a program."""
    user_id: int | None = request.auth.user_id  # type: ignore[attr-defined] # django-ninja puts it there
    return user_id


def may_begin(request: HttpRequest) -> bool:
    """Return whether the caller may begin projects: programs, and members who do more in the tenant than look."""
    return request.auth.role not in {"viewer", "guest"}  # type: ignore[attr-defined] # django-ninja puts it there


def acting(request: HttpRequest, named: int | None, *, field: str) -> int:
    """Return who acts: the person who calls, or whom a program names; raises Problem 422 for anybody else."""
    person = acting_if_any(request, named, field=field)
    if person is None:
        raise wrong(field, _("A program names who acts."))
    return person


def acting_if_any(request: HttpRequest, named: int | None, *, field: str) -> int | None:
    """Return who acts, None for a program that names nobody; raises Problem 422 for who is no member."""
    caller = caller_person(request)
    if caller is not None and named not in {None, caller}:
        raise wrong(field, _("A person acts as oneself alone."))
    if named is not None and not selectors.members_of([(tenant_of(request), named)]):
        raise wrong(field, _("There is no such person."))
    return named if caller is None else caller


def wrong(field: str, told: str) -> Problem:
    """Return the refusal of one field."""
    return Problem(422, _("Some fields are wrong; correct them and send again."), errors={field: told})
