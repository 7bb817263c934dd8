"""The API as one piece: errors as problems, bounded bodies, answers that need not travel twice; OpenAPI says so."""

import hashlib
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseNotModified,
)
from django.http.response import HttpResponseBase
from django.urls import path, register_converter
from django.urls.converters import StringConverter
from django.urls.resolvers import URLPattern, URLResolver
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from modules.kernel import problems
from modules.kernel.problems import Problem

log = logging.getLogger("backroom.api")

View = Callable[..., HttpResponse]

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""A row's number as PostgreSQL can hold it."""

OneLine = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A text to search for, without what PostgreSQL refuses."""


def _in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC: PostgreSQL refuses offsets of 16 hours and more, which ISO 8601 allows."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with an offset, to filter by."""


class Camel(BaseModel):
    """What travels with its names in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Body(BaseModel):
    """What comes in: names in camelCase, nothing unknown, each value of its own type."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


def refuse_unknown(request: HttpRequest, known: Iterable[str]) -> None:
    """Raise Problem for a filter that there is not: a misspelled one would list everything."""
    names = list(known)
    told = _("Not known; there are: %(names)s.") % {"names": ", ".join(names)}
    if unknown := {name: told for name in request.GET if name not in names}:
        raise Problem(422, _("Some fields are wrong; correct them and send again."), errors=unknown)


class _Whatever(StringConverter):
    """What `path` matches, and line ends, too."""

    regex = r"[\s\S]+"


register_converter(_Whatever, "whatever")


class RestApi(NinjaAPI):
    """django-ninja whose every refusal, also of an unknown address or method, is a problem."""

    def __init__(self, **options: Any) -> None:
        super().__init__(parser=_OnceParser(), **options)
        for kind, as_problem in _PROBLEMS:
            self.add_exception_handler(kind, _handler(as_problem))
        self.add_decorator(_bounded, mode="view")
        self.add_decorator(_validated, mode="view")

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        """Return the addresses; whatever else begins like them is answered with a problem too."""
        patterns, app_name, namespace = super().urls
        known = [_with_problems(pattern) for pattern in patterns]
        return [*known, path("<whatever:rest>", _not_found, name="not-found")], app_name, namespace

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the OpenAPI file: each operation may end in a problem, each look in `304`."""
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"]["Problem"] = problems.SCHEMA
        answer = {"$ref": "#/components/schemas/Problem"}
        refused = {"description": "A problem (RFC 9457)", "content": {problems.CONTENT_TYPE: {"schema": answer}}}
        for operations in schema["paths"].values():
            for method, operation in operations.items():
                operation["responses"]["4XX"] = refused
                if method == "get":
                    _describe_validator(operation)
        return schema


class _OnceParser(Parser):
    """Refuses a parameter that comes twice: one of the two would be ignored without a word."""

    def parse_querydict(self, data: Any, list_fields: list[str], request: HttpRequest) -> dict[str, Any]:
        """Return the parameters by name."""
        twice = [name for name, values in data.lists() if len(values) > 1 and name not in list_fields]
        if twice:
            told = _("Given more than once.")
            raise Problem(422, _("Give each parameter once."), errors=dict.fromkeys(twice, told))
        return super().parse_querydict(data, list_fields, request)

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Return the JSON that was sent. One that calls itself an upload to be longer raises, which ends in `400`."""
        if len(request.body) > settings.API["MAX_BODY_BYTES"]:
            raise _too_big()
        return super().parse_body(request)


def _handler(as_problem: Callable[[Any], Problem]) -> Callable[[HttpRequest, Any], HttpResponse]:
    return lambda _request, error: as_problem(error).as_response()


def _bounded(run: View) -> View:
    """Refuse a body over the limit, or an upload over its own, before anything reads it."""

    @wraps(run)
    def bounded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        is_upload = request.content_type == "multipart/form-data"
        limit = settings.API["MAX_UPLOAD_BYTES" if is_upload else "MAX_BODY_BYTES"]
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > limit:
            return (_upload_too_big() if is_upload else _too_big()).as_response()
        return run(request, **kwargs)

    return bounded


def _validated(run: View) -> View:
    """Give what one looks at an ETag, and answer `304` to who has it already.

    The tag is made of the answer itself: no column says when a job's progress or a schedule's next time changed, and
    no tenant can have another's. It is weak, because a proxy may compress what we wrote. A file brings its own.
    """

    @wraps(run)
    def validated(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response = run(request, **kwargs)
        if request.method != "GET" or response.status_code != 200:
            return response
        tag = response.headers.get("ETag", "").removeprefix("W/") or _digest(response)
        known = {given.removeprefix("W/") for given in parse_etags(request.headers.get("If-None-Match", ""))}
        answer = _not_modified(response) if {tag, "*"} & known else response
        answer["Content-Length"] = _length(response)  # in a 304 too: that of the answer it stands for
        answer["ETag"] = f"W/{tag}"
        answer["Cache-Control"] = "private, no-cache"  # kept by its reader alone, and asked for each time
        patch_vary_headers(answer, ["Authorization"])
        return answer

    return validated


def _digest(response: HttpResponse) -> str:
    return f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'


def _length(response: HttpResponse) -> str:
    return response["Content-Length"] if response.streaming else str(len(response.content))


def _not_modified(response: HttpResponseBase) -> HttpResponse:
    if isinstance(response, FileResponse) and response.file_to_stream:
        response.file_to_stream.close()
    return HttpResponseNotModified()


def _describe_validator(operation: dict[str, Any]) -> None:
    text = {"schema": {"type": "string"}}
    told = {"name": "If-None-Match", "in": "header", "required": False, **text}
    operation.setdefault("parameters", []).append({**told, "description": "The `ETag` of an earlier answer."})
    tag = {"ETag": {"description": "Weak; other than before when anything in the answer is.", **text}}
    operation["responses"][200]["headers"] = tag
    operation["responses"][304] = {"description": "Nothing has changed: no body", "headers": tag}


def _with_problems(pattern: Any) -> Any:
    """Let a pattern answer a method that it does not have with a problem."""
    view = pattern.callback

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = view(request, *args, **kwargs)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        detail = _("This address takes %(methods)s.") % {"methods": allowed}
        return Problem(405, detail, headers={"Allow": allowed}).as_response()

    pattern.callback = answer
    return pattern


@csrf_exempt  # it changes nothing, and a program that sends to a wrong address is to be told so as JSON
def _not_found(_request: HttpRequest, **_path: str) -> HttpResponse:
    return Problem(404, _("There is nothing at this address; openapi.json lists all of them.")).as_response()


def _too_big(_error: Exception | None = None) -> Problem:
    limit = settings.API["MAX_BODY_BYTES"]
    return Problem(413, _("The body is over %(limit)d bytes; store the data and send its id.") % {"limit": limit})


def _upload_too_big() -> Problem:
    told = {"limit": settings.API["MAX_UPLOAD_BYTES"]}
    return Problem(413, _("The upload is over %(limit)d bytes.") % told)


def _unauthorized(_error: Exception) -> Problem:
    detail = _("Send the header Authorization: Bearer with a token that is valid now.")
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="api"'})


def _invalid(error: Any) -> Problem:
    """Return the first fault of each field, by the path that the sender wrote."""
    faults = {_field(fault["loc"]): fault["msg"] for fault in reversed(error.errors)}
    return Problem(422, _("Some fields are wrong; correct them and send again."), errors=dict(reversed(faults.items())))


def _field(place: tuple[Any, ...]) -> str:
    # ("body", <parameter's name>, "options", "priority") and ("query", "limit"): only the end is the sender's.
    parts = place[2:] if place[0] == "body" else place[1:]
    return ".".join(str(part) for part in parts) or "body"


def _unforeseen(error: Exception) -> Problem:
    log.error("an API request failed", exc_info=error)
    return Problem(500, _("Something here is broken and has been logged; try again later."))


_PROBLEMS: list[tuple[type[Exception], Callable[[Any], Problem]]] = [
    (Problem, lambda error: error),
    (AuthenticationError, _unauthorized),
    (ValidationError, _invalid),
    (RequestDataTooBig, _too_big),
    (HttpError, lambda error: Problem(error.status_code, str(error))),
    (Http404, lambda _error: Problem(404, _("There is no such thing."))),
    (Exception, _unforeseen),
]
