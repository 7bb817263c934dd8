"""Which actors there are, what they take, and how they are run."""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from modules.jobs.domain import Backoff, Schedule

_PLAIN = (str, int, float, bool, type(None))  # JSON gives back these as they are
TENANT = "tenant_id"  # the argument that no tenant writes


class UnknownActor(LookupError):
    """No module has an actor of this name."""


class InvalidArguments(ValueError):
    """The arguments do not fit the actor, or cannot be kept as JSON; `reason` is for a list by argument."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        self.reason = reason or message
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class ActorSpec:
    """An actor's promise to the ledger."""

    name: str
    queue: str
    fn: Callable[..., Any]
    max_attempts: int
    backoff: Backoff
    time_limit: timedelta
    priority: int = 0
    throws: tuple[type[BaseException], ...] = ()
    is_atomic: bool = False
    unique_until: str = "finish"
    resource: str = ""
    """A name that limits may count, made from the arguments: `shop:{shop_id}`."""
    api_name: str | None = None
    """The `type` under which tenants may send it through the REST API; None keeps it inside."""
    api_arguments: tuple[str, ...] | None = None
    """What tenants may send of its arguments; None is all. The others keep their defaults."""
    check: Callable[[dict[str, Any]], None] | None = None
    """Raises ValueError for arguments that no annotation can refuse, like the name of what is gone from the code."""

    @cached_property
    def signature(self) -> inspect.Signature:
        """What the actor's code takes."""
        return inspect.signature(self.fn)

    @cached_property
    def _types(self) -> dict[str, TypeAdapter[Any]]:
        """What each annotated argument must look like as JSON; one that nobody can check is not checked."""
        try:
            hints = get_type_hints(self.fn)
        except NameError:
            return {}
        found = {name: _checker(hints[name]) for name in self.signature.parameters if name in hints}
        return {name: checker for name, checker in found.items() if checker}

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, ready for JSON; raises InvalidArguments and says which one is wrong."""
        arguments = {name: self._as_json(name, value) for name, value in self._named(args, kwargs).items()}
        if self.check:
            try:
                self.check(arguments)
            except ValueError as error:
                raise InvalidArguments(f"{self.name}: {error}") from None
        return arguments

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not args and self._needed <= kwargs.keys() <= self.signature.parameters.keys():
            return kwargs  # as nearly always, and a tenth of the work of binding
        try:
            return self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InvalidArguments(f"{self.name}: {error}.") from None

    @cached_property
    def _needed(self) -> frozenset[str]:
        """The arguments without a default."""
        parameters = self.signature.parameters.values()
        return frozenset(parameter.name for parameter in parameters if parameter.default is parameter.empty)

    def misfits(self, arguments: dict[str, Any]) -> dict[str, str]:
        """Return what is missing or does not fit, by the argument's name; empty when all is well."""
        wrong = {}
        for name, parameter in self.signature.parameters.items():
            try:
                if name in arguments:
                    self._as_json(name, arguments[name])
                elif parameter.default is parameter.empty:
                    wrong[name] = "Missing."
            except InvalidArguments as error:
                wrong[name] = error.reason
        return wrong

    @property
    def open_arguments(self) -> list[str]:
        """Return the arguments that tenants may send, in the code's order; their own id comes from the token."""
        allowed = self.signature.parameters if self.api_arguments is None else self.api_arguments
        return [name for name in self.signature.parameters if name in allowed and name != TENANT]

    def resource_of(self, arguments: dict[str, Any]) -> str:
        """Return the name of what a job with these arguments uses together with others, or ""."""
        if not self.resource:
            return ""
        parameters = self.signature.parameters.values()
        defaults = {parameter.name: parameter.default for parameter in parameters}
        return self.resource.format(**{**defaults, **arguments})

    def _as_json(self, name: str, value: Any) -> Any:
        try:
            text = repr(value) if type(value) is int else to_json(value)
        except (TypeError, ValueError) as error:
            raise InvalidArguments(
                f"{self.name}: the argument {name!r} cannot be kept as JSON ({error}); "
                "send an id, text, a number, a list or a dict.",
                reason=f"Cannot be kept: {error}.",
            ) from None
        self._check(name, text)
        return value if type(value) in _PLAIN else json.loads(text)

    def _check(self, name: str, text: str) -> None:
        if name not in self._types:
            return
        try:
            self._types[name].validate_json(text, strict=True)
        except ValidationError as error:
            reason = _reason(error)
            raise InvalidArguments(
                f"{self.name}: the argument {name!r} does not fit: {reason}", reason=reason
            ) from None


def _checker(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError):
        return None


def _reason(error: ValidationError) -> str:
    """Return the first thing that is wrong and where inside the argument; never the value, it may be a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = "".join(f"[{part!r}]" for part in first["loc"])
    return f"{first['msg']}{f' at {place}' if place else ''}."


_STRICT = json.JSONEncoder(allow_nan=False)  # one for all calls: making it takes longer than using it


def to_json(value: Any, **options: Any) -> str:
    """Return the value as JSON that PostgreSQL can keep; raises TypeError, ValueError. Options are json.dumps'."""
    text = json.dumps(value, allow_nan=False, **options) if options else _STRICT.encode(value)
    if "\\u0000" in text:
        raise ValueError("PostgreSQL keeps no NUL character")
    if "\\ud" in text:
        json.dumps(value, ensure_ascii=False, **options).encode()  # half of a surrogate pair is no text
    return text


_specs: dict[str, ActorSpec] = {}


def register(spec: ActorSpec) -> None:
    """Make an actor known; refuses one whose parameters the ledger could not name."""
    kinds = {parameter.kind for parameter in inspect.signature(spec.fn).parameters.values()}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY}:
        raise TypeError(f"{spec.name}: an actor takes named parameters only, no *args, **kwargs or /.")
    if any(other.api_name == spec.api_name and other.name != spec.name for other in open_specs()):
        raise TypeError(f"{spec.name}: another actor is called {spec.api_name!r} in the API already.")
    _check_open_arguments(spec)
    _specs[spec.name] = spec


def _check_open_arguments(spec: ActorSpec) -> None:
    parameters, allowed = spec.signature.parameters, spec.api_arguments
    if allowed is None:
        return
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty} - {TENANT}
    if needed - {*allowed} or {*allowed} - {*parameters} or not spec.api_name:
        raise TypeError(f"{spec.name}: api_arguments names arguments of the code, and all that have no default.")


def get_spec(name: str) -> ActorSpec:
    """Return the actor called `name`; raises UnknownActor."""
    try:
        return _specs[name]
    except KeyError:
        raise UnknownActor(f"No actor is called {name!r}; `manage.py jobs_actors` lists them.") from None


def all_specs() -> list[ActorSpec]:
    """Return every actor in order of name."""
    return sorted(_specs.values(), key=lambda spec: spec.name)


def open_specs() -> list[ActorSpec]:
    """Return the actors that tenants may send through the API, in order of the API's names."""
    return sorted((spec for spec in _specs.values() if spec.api_name), key=lambda spec: str(spec.api_name))


def get_open_spec(api_name: str) -> ActorSpec:
    """Return the actor that the API knows by this name (or by its own, if it is open); raises UnknownActor."""
    for spec in open_specs():
        if api_name in {spec.api_name, spec.name}:
            return spec
    names = ", ".join(str(spec.api_name) for spec in open_specs())
    raise UnknownActor(f"There is no type {api_name!r}; there are: {names or 'none here'}.")


def api_name(actor: str) -> str:
    """Return what the API calls an actor: its alias, else its own name, also when no code has it any more."""
    spec = _specs.get(actor)
    return spec.api_name if spec and spec.api_name else actor


def actors_called(name: str) -> list[str]:
    """Return the actors whose alias or own name this is; the name itself when no code has such an actor."""
    return [spec.name for spec in open_specs() if spec.api_name == name] or [name]


_schedules: dict[str, Schedule] = {}


def declare(schedules: Iterable[Schedule]) -> None:
    """Make a module's schedules known; a key is declared once in the whole product."""
    for schedule in schedules:
        if schedule.key in _schedules and _schedules[schedule.key] != schedule:
            raise ValueError(f"Two modules declare the schedule {schedule.key!r}.")
        _schedules[schedule.key] = schedule


def all_schedules() -> list[Schedule]:
    """Return every declared schedule in order of key."""
    return [_schedules[key] for key in sorted(_schedules)]
