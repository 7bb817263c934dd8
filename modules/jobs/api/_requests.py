"""What every operation needs: the caller, the actor behind a type, a request that is done once."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Protocol, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Header
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from modules.jobs import services
from modules.jobs.registry import TENANT, ActorSpec, UnknownActor, get_open_spec
from modules.jobs.services import Answer, KeyReused, StillAnswering
from modules.kernel import clock
from modules.kernel.problems import Problem

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Sent again within 24 hours, the same request is not done again but answered alike.",
    ),
]


class Caller(Protocol):
    """What authentication leaves in `request.auth`."""

    tenant_id: int
    name: str


def tenant_of(request: HttpRequest) -> int:
    """Return the tenant that the caller's token opens: the only one there is for this request."""
    return cast("Caller", request.auth).tenant_id  # type: ignore[attr-defined] # django-ninja puts it there


def caller_of(request: HttpRequest) -> str:
    """Return what the history calls the caller: its token's name."""
    return f"API: {cast('Caller', request.auth).name}"  # type: ignore[attr-defined] # django-ninja puts it there


def address(request: HttpRequest, name: str, **kwargs: Any) -> str:
    """Return the path of another operation of this API."""
    match = request.resolver_match
    return reverse(f"{match.namespace}:{name}" if match else name, kwargs=kwargs)


def open_spec(type_: str) -> ActorSpec:
    """Return the actor that a type names; raises Problem."""
    try:
        return get_open_spec(type_)
    except UnknownActor as error:
        raise Problem(422, _("This type of job cannot be sent."), errors={"type": str(error)}) from None


def arguments(spec: ActorSpec, data: dict[str, Any], *, tenant_id: int) -> dict[str, Any]:
    """Return the actor's arguments from the sender's `data`; raises Problem that names each wrong one."""
    names = {to_camel(name): name for name in spec.open_arguments}
    there_are = _("Not known; there are: %(names)s.") % {"names": ", ".join(names) or _("none")}
    wrong = {f"data.{key}": there_are for key in data if key not in names}
    given = {names[key]: value for key, value in data.items() if key in names}
    if TENANT in spec.signature.parameters:
        given[TENANT] = tenant_id
    wrong |= {f"data.{to_camel(name)}": reason for name, reason in spec.misfits(given).items()}
    if wrong:
        raise Problem(422, _("The data does not fit this type of job."), errors=wrong)
    return given


def answer(
    request: HttpRequest, act: Callable[[], Answer], *, key: str | None, payload: BaseModel | None = None
) -> HttpResponse:
    """Do `act` in one transaction, once for each key, and answer."""
    if key is None:
        with transaction.atomic():
            return _respond(act())
    try:
        found = services.answer_once(
            act, tenant_id=tenant_of(request), key=key, fingerprint=_fingerprint(request, payload), now=clock.now()
        )
    except KeyReused:
        told = _("This Idempotency-Key belongs to another request; take a new key for a new request.")
        raise Problem(422, told, errors={"Idempotency-Key": told}) from None
    except StillAnswering:
        raise Problem(
            409, _("The first request with this key is still being done."), headers={"Retry-After": "1"}
        ) from None
    return _respond(found)


def _fingerprint(request: HttpRequest, payload: BaseModel | None) -> str:
    body = payload.model_dump(mode="json") if payload else None
    text = json.dumps([request.method, request.path, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _respond(found: Answer) -> HttpResponse:
    response = HttpResponse(found.body, status=found.status, content_type="application/json; charset=utf-8")
    if found.location:
        response["Location"] = found.location
    if found.is_repeated:
        response["Idempotency-Replayed"] = "true"
    return response
