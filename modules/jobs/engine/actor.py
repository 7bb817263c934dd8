"""`@actor`: a Dramatiq actor whose messages are jobs in the ledger."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

import dramatiq

from modules.jobs.clients import Bell
from modules.jobs.domain import Backoff, ExponentialBackoff
from modules.jobs.engine import runner
from modules.jobs.registry import ActorSpec, register
from modules.jobs.services import JobRequest
from modules.kernel import clock

P = ParamSpec("P")
R = TypeVar("R")

BELL = "__bell__"  # the one argument of a message in the broker; everything else is in the ledger


class JobActor(dramatiq.Actor[P, R]):
    """An actor that is called like any other, and whose `.send()` writes a job in the caller's transaction."""

    spec: ActorSpec

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the code here and now; a message from the broker claims its job first."""
        bell = cast("dict[str, Any]", kwargs).pop(BELL, None)
        if bell is None:
            return super().__call__(*args, **kwargs)
        job_id, fence, queue = bell
        runner.run(self.spec, Bell(UUID(job_id), int(fence), self.actor_name, str(queue)))
        return cast("R", None)

    def request(self, *args: P.args, **kwargs: P.kwargs) -> JobRequest:
        """Return the job as `.send()` would send it, for a chain, a batch or `enqueue_many`."""
        return JobRequest(actor=self.spec.name, args=args, kwargs=kwargs)

    def request_with_options(
        self, *, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None, **options: Any
    ) -> JobRequest:
        """Return the job as `.send_with_options()` would send it; options are those of JobRequest."""
        return JobRequest(actor=self.spec.name, args=args, kwargs=kwargs or {}, **options)


def actor(  # noqa: PLR0913 -- the options of a job are what they are
    *,
    queue_name: str = "default",
    max_retries: int = 10,
    backoff: Backoff | None = None,
    time_limit: int = 10 * clock.MINUTE,
    priority: int = 0,
    throws: tuple[type[BaseException], ...] = (),
    atomic: bool = False,
    unique_until: str = "finish",
    resource: str = "",
    notify_shutdown: bool = False,
    actor_name: str | None = None,
    api_name: str | None = None,
    api_arguments: tuple[str, ...] | None = None,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> Callable[[Callable[P, R]], JobActor[P, R]]:
    """Declare an actor.

    queue_name: the queue it waits in. max_retries: runs after the first one. backoff: the rest between two
    runs (exponential from 15 s to 6 h unless given). time_limit: milliseconds, as in Dramatiq. priority:
    lower runs first. throws: errors that no retry can help. atomic: its effects and its completion commit
    together, so they happen exactly once. unique_until: "finish" or "start", how long a `unique_key` holds.
    resource: what it uses together with other jobs, made from its arguments ("shop:{shop_id}"), for limits.
    notify_shutdown: interrupt the code when the worker is told to stop; the job is given back unharmed.
    actor_name: its lasting name, `<module>.<function>` unless given. api_name: the `type` under which tenants
    may send it through the REST API; `tenant_id` comes from their token. api_arguments: what else they may send
    (anything unless given): what costs everybody, like the size of a transaction, is not for a tenant to choose.
    check: raises ValueError for arguments that fit and are wrong all the same; asked whenever they are checked.
    """

    def decorate(fn: Callable[P, R]) -> JobActor[P, R]:
        spec = ActorSpec(
            name=actor_name or _name(fn),
            queue=queue_name,
            fn=fn,
            max_attempts=max_retries + 1,
            backoff=backoff or ExponentialBackoff(),
            time_limit=timedelta(milliseconds=time_limit),
            priority=priority,
            throws=throws,
            is_atomic=atomic,
            unique_until=unique_until,
            api_name=api_name,
            api_arguments=api_arguments,
            check=check,
            resource=resource,
        )
        register(spec)
        declare = dramatiq.actor(
            actor_class=JobActor,
            actor_name=spec.name,
            queue_name=queue_name,
            time_limit=time_limit,
            notify_shutdown=notify_shutdown,
        )
        declared = cast("JobActor[P, R]", declare(fn))
        declared.spec = spec
        return declared

    return decorate


def _name(fn: Callable[..., Any]) -> str:
    module = inspect.getmodule(fn)
    package = (module.__name__ if module else fn.__module__).split(".")
    return f"{package[1] if package[0] == 'modules' else package[-1]}.{fn.__name__}"
