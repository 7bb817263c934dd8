"""Actors for the platform's own tests; a worker loads them with `dramatiq config.workers tests.support.actors`."""

import os
import signal
import time
from typing import Any

from django.db import connection

from modules.jobs.domain import PermanentError, Snooze, TableBackoff
from modules.jobs.engine import actor, context, run_isolated
from modules.jobs.services import batch
from tests.support import isolated

effects: list[Any] = []


class Refused(Exception):
    """An error that an actor names in `throws`."""


@actor(actor_name="tests.note", queue_name="default", max_retries=2, backoff=TableBackoff([0]))
def note(*, word: str, seconds: float = 0) -> str:
    """Leave a trace and return it."""
    time.sleep(seconds)
    effects.append(word)
    return word


@actor(actor_name="tests.say", queue_name="default", max_retries=0)
def say(*, code: int | None = None, log: bool = False) -> str | float | None:
    """Return, or log, the character of this code; without one a NaN."""
    if log:
        context.log(f"<{chr(code or 0)}>")
        return None
    return float("nan") if code is None else chr(code)


@actor(actor_name="tests.note_from_start", queue_name="default", max_retries=0, unique_until="start")
def note_from_start(*, word: str) -> None:
    """Leave a trace; its unique key is free as soon as it runs."""
    effects.append(word)


@actor(actor_name="tests.refresh", queue_name="default", max_retries=1, unique_until="start")
def refresh(*, word: str) -> None:
    """Leave a trace; another of the same key may be sent as soon as this one has started."""
    effects.append(word)


@actor(actor_name="tests.write", queue_name="default", max_retries=2, backoff=TableBackoff([0]))
def write(*, word: str, seconds: float = 0) -> None:
    """Leave a row in the table that the test made, before and after a rest."""
    time.sleep(seconds)
    _row(word)


@actor(actor_name="tests.write_atomically", queue_name="default", max_retries=2, atomic=True, backoff=TableBackoff([0]))
def write_atomically(*, word: str, seconds: float = 0, error: bool = False) -> None:
    """Leave a row that commits with the job's completion."""
    _row(word)
    time.sleep(seconds)
    if error:
        raise ValueError("after the row")


@actor(actor_name="tests.fail", queue_name="default", max_retries=2, backoff=TableBackoff([0]), throws=(Refused,))
def fail(*, kind: str = "ordinary", message: str = "no luck") -> None:
    """Raise what was asked for."""
    effects.append(kind)
    raise {"ordinary": ValueError, "permanent": PermanentError, "throws": Refused}[kind](message)


@actor(actor_name="tests.snooze", queue_name="default", max_retries=0)
def snooze(*, seconds: float) -> None:
    """Ask to run later, always."""
    raise Snooze(seconds, "the shop is busy")


@actor(actor_name="tests.step", queue_name="default", max_retries=0)
def step(*, steps: int, seconds: float = 0) -> int:
    """Count up from the last checkpoint, telling how far it is."""
    start = context.saved_checkpoint() or 0
    for done in range(start, steps):
        time.sleep(seconds)
        context.log(f"step {done + 1}")
        context.checkpoint(done + 1)
        context.progress(done + 1, steps, "stepping")
    return steps - int(start)


@actor(actor_name="tests.send_more", queue_name="default", max_retries=0)
def send_more(*, word: str) -> None:
    """Send another job from inside this one."""
    note.send(word=word)


@actor(actor_name="tests.send_members", queue_name="default", max_retries=0)
def send_members(*, words: list[str], error: bool = False) -> None:
    """Send members to the batch of this one."""
    context.batch().send(*(note.request(word=word) for word in words))
    if error:
        raise PermanentError("after the members")


@actor(actor_name="tests.note_batch", queue_name="default", max_retries=0)
def note_batch(*, batch_id: str, word: str) -> None:
    """Leave a trace of the batch that sent it."""
    effects.append((word, batch_id))


@actor(actor_name="tests.open_batch", queue_name="default", max_retries=0)
def open_batch(*, words: list[str]) -> None:
    """Open a batch, as a callback of another one may."""
    with batch("next", on_finish=note_batch.request_with_options(kwargs={"word": "next"})) as opened:
        opened.send(*(note.request(word=word) for word in words))


@actor(actor_name="tests.fail_once", queue_name="default", max_retries=0)
def fail_once(*, word: str) -> None:
    """Fail for good, and do well when it is replayed."""
    running = context.job()
    if running.fence == 1:
        raise PermanentError("the first time")
    effects.append(word)


@actor(actor_name="tests.use", queue_name="default", max_retries=0, resource="shop:{shop_id}")
def use(*, shop_id: int) -> None:
    """Use a shop's API together with others."""
    effects.append(shop_id)


@actor(actor_name="tests.die", queue_name="default", max_retries=0)
def die() -> None:
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


@actor(
    actor_name="tests.analyze_file",
    queue_name="normal",
    max_retries=2,
    backoff=TableBackoff([0]),
    api_name="file-analysis",
)
def analyze_file(
    *,
    tenant_id: int,
    file_id: str,
    file_url: str,
    file_name: str,
    file_type: str,
    analysis_options: dict[str, bool] | None = None,
) -> dict[str, Any]:
    """Seed 4's file analysis, as far as the API can see it; a file called broken.* fails."""
    context.progress(1, 4, f"reading {file_name}")
    context.progress(4, 4, "done")
    if file_name.startswith("broken."):
        raise ValueError(f"cannot read {file_url}?token=s3cr3t")
    return {"tenantId": tenant_id, "fileId": file_id, "accessToken": "s3cr3t"}


@actor(actor_name="tests.send_email", queue_name="high", max_retries=4, api_name="email-notification")
def send_email(*, type: str, recipient_email: str, template_data: dict[str, Any]) -> None:  # noqa: A002 -- seed 4's
    """Seed 4's e-mail."""
    effects.append((type, recipient_email, template_data))


@actor(actor_name="tests.write_report", queue_name="low", max_retries=2, api_name="report-generation")
def write_report(*, tenant_id: int, report_type: str, format: str = "pdf") -> None:  # noqa: A002 -- seed 4's
    """Seed 4's report."""
    effects.append((tenant_id, report_type, format))


@actor(actor_name="tests.calculate_quote", queue_name="normal", max_retries=2, api_name="quote-calculation")
def calculate_quote(
    *,
    quote_id: str,
    quantity: int = 1,
    discount: float | None = None,
    is_express: bool = False,
    parts: list[str] | None = None,
) -> None:
    """Seed 4's quote: one argument of each simple kind."""
    effects.append(quote_id)


@actor(actor_name="tests.isolate", max_retries=0)
def isolate(*, name: str, path: str = "") -> None:
    """Run one of the functions that may harm their process, with `double`'s neighbors beside it."""
    arguments = {"double": [21], "bear": [path]}.get(name, [])
    run_isolated(getattr(isolated, name), *arguments, memory_mb=128, seconds=60 if name == "bear" else 8, cpu_seconds=2)


def _row(word: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO tests_effect (word, pid) VALUES (%s, %s)", [word, os.getpid()])
