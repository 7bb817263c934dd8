"""What probes ask: does the process answer, may it be sent work, is the platform well."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import cache, lru_cache, wraps
from http import HTTPStatus

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from modules.jobs import clients, selectors
from modules.jobs.metrics import may_read
from modules.kernel import clock

CHECK_SECONDS = 2.0
VERDICT_LIVES_SECONDS = 2.0
THREADS = 8  # a check that hangs keeps one until it ends; when all hang, the next checks time out at once

Check = Callable[[], list[str]]
"""Returns what is wrong, in sentences; empty when all is well."""


@never_cache
@require_safe
def live(_request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process can answer; asks nobody else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when this process can serve: database and broker answer, every migration is applied."""
    return _answer(request, _verdict("ready", _moment()))


@never_cache
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """Answer 200 when jobs run as they should, else 503; the reasons are for those who may read the metrics."""
    return _answer(request, _verdict("jobs", _moment()))


def _moment() -> int:
    return int(time.monotonic() / VERDICT_LIVES_SECONDS)


def _answer(request: HttpRequest, reasons: Mapping[str, list[str]]) -> HttpResponse:
    is_well = not any(reasons.values())
    body: dict[str, object] = {"status": "ok" if is_well else "unwell"}
    if may_read(request):
        body["checks"] = {name: {"ok": not found, "reasons": found} for name, found in reasons.items()}
    return JsonResponse(body, status=HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE)


@lru_cache(maxsize=2)
def _verdict(kind: str, _moment: int) -> dict[str, list[str]]:
    """Return the reasons by check; kept for a moment, so that many probes cost what one does."""
    return run_checks(READY_CHECKS if kind == "ready" else JOBS_CHECKS)


def run_checks(checks: Mapping[str, Check], *, seconds: float = CHECK_SECONDS) -> dict[str, list[str]]:
    """Run the checks side by side and return what each found wrong; one that takes too long is wrong."""
    until = time.monotonic() + seconds
    running = {name: _threads().submit(_safely, check) for name, check in checks.items()}
    return {name: _reasons(future, until=until) for name, future in running.items()}


def _reasons(future: "Future[list[str]]", *, until: float) -> list[str]:
    try:
        return future.result(timeout=max(until - time.monotonic(), 0))
    except TimeoutError:
        future.cancel()
        return ["No answer in time."]


def _safely(check: Check) -> list[str]:
    """Return what the check says, on a database connection of its own that gives up by itself."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 -- whatever is wrong, the probe says so
        return [f"{type(error).__name__}."]  # the message may name hosts and passwords
    finally:
        connection.close()


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads of the checks, made when the first probe asks: a fork would leave them behind."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="health")


def _with_patience(check: Check) -> Check:
    """Let the database end what nobody waits for any more."""

    @wraps(check)
    def patient() -> list[str]:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{CHECK_SECONDS * 1000:.0f}"])
            return check()

    return patient


@_with_patience
def _database() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return []


def _broker() -> list[str]:
    try:
        clients.broken_lanes(["default"])
    except clients.BrokerDown:
        return ["The broker does not answer; jobs are kept and run when it does."]
    return []


def broken_lanes() -> list[str]:
    """Return what is wrong with lanes that are none; the dispatcher of any worker mends them."""
    try:
        broken = clients.broken_lanes(list(selectors.known_queues()))
    except clients.BrokerDown:
        return []  # another check says so
    return [f"The lane of {queue} is no lane: something else has its name in Redis." for queue in broken]


_is_migrated = threading.Event()


@_with_patience
def _migrations() -> list[str]:
    """Look once: the code of a process does not change, so what was applied stays applied."""
    if _is_migrated.is_set():
        return []
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return [f"{len(missing)} migrations are not applied, first {missing[0][0]}."]
    _is_migrated.set()
    return []


@_with_patience
def _workers() -> list[str]:
    served = selectors.served_queues(now=clock.now())
    pools: Mapping[str, list[str]] = settings.JOBS["POOLS"]
    return [f"No living worker serves {queue}." for queues in pools.values() for queue in queues if queue not in served]


@_with_patience
def _schedules() -> list[str]:
    most = settings.JOBS["HEALTH"]["SCHEDULE_LAG_SECONDS"]
    lags = selectors.schedule_lags(now=clock.now())
    return [f"{key} is {lag:.0f} s late, at most {most} s." for key, lag in sorted(lags.items()) if lag > most]


@_with_patience
def _queues() -> list[str]:
    now, limits = clock.now(), settings.JOBS["HEALTH"]
    reasons = []
    for queue, ready_now in selectors.ready_jobs().items():
        waits = (now - ready_now.oldest_at).total_seconds()
        if waits > limits["WAIT_SECONDS"]:
            reasons.append(f"{queue}: the oldest job waits {waits:.0f} s, at most {limits['WAIT_SECONDS']} s.")
        if ready_now.count > limits["QUEUE_LENGTH"]:
            reasons.append(f"{queue}: {ready_now.count} jobs are ready, at most {limits['QUEUE_LENGTH']}.")
    return reasons


@_with_patience
def _dead_letters() -> list[str]:
    most = settings.JOBS["HEALTH"]["DEAD_LETTERS_PER_HOUR"]
    count = selectors.dead_letters_since(clock.now() - timedelta(hours=1))
    return [f"{count} jobs failed for good within an hour, at most {most}."] if count > most else []


READY_CHECKS: Mapping[str, Check] = {
    "database": _database,
    "broker": _broker,
    "migrations": _migrations,
}
JOBS_CHECKS: Mapping[str, Check] = {
    "database": _database,
    "broker": _broker,
    "lanes": broken_lanes,
    "workers": _workers,
    "schedules": _schedules,
    "queues": _queues,
    "dead_letters": _dead_letters,
}
