"""Which actors there are, what they take, and how they are run."""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from modules.jobs.domain import Backoff, Schedule


class UnknownActor(LookupError):
    """No module has an actor of this name."""


class InvalidArguments(ValueError):
    """The arguments do not fit the actor, or cannot be kept as JSON."""


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

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, ready for JSON; raises InvalidArguments and says which one is wrong."""
        try:
            bound = inspect.signature(self.fn).bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self.name}: {error}.") from None
        return {name: self._as_json(name, value) for name, value in bound.arguments.items()}

    def resource_of(self, arguments: dict[str, Any]) -> str:
        """Return the name of what a job with these arguments uses together with others, or ""."""
        parameters = inspect.signature(self.fn).parameters.values()
        defaults = {parameter.name: parameter.default for parameter in parameters}
        return self.resource.format(**{**defaults, **arguments})

    def _as_json(self, name: str, value: Any) -> Any:
        try:
            return _plain(value)
        except (TypeError, ValueError) as error:
            raise InvalidArguments(
                f"{self.name}: the argument {name!r} cannot be kept as JSON ({error}); "
                "send an id, text, a number, a list or a dict."
            ) from None


def _plain(value: Any) -> Any:
    text = json.dumps(value, allow_nan=False)
    if "\\u0000" in text:
        raise ValueError("PostgreSQL keeps no NUL character")
    return json.loads(text)


_specs: dict[str, ActorSpec] = {}


def register(spec: ActorSpec) -> None:
    """Make an actor known; refuses one whose parameters the ledger could not name."""
    kinds = {parameter.kind for parameter in inspect.signature(spec.fn).parameters.values()}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY}:
        raise TypeError(f"{spec.name}: an actor takes named parameters only, no *args, **kwargs or /.")
    _specs[spec.name] = spec


def get_spec(name: str) -> ActorSpec:
    """Return the actor called `name`; raises UnknownActor."""
    try:
        return _specs[name]
    except KeyError:
        raise UnknownActor(f"No actor is called {name!r}; `manage.py jobs_actors` lists them.") from None


def all_specs() -> list[ActorSpec]:
    """Return every actor in order of name."""
    return sorted(_specs.values(), key=lambda spec: spec.name)


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
