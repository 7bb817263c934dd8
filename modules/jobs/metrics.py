"""What Prometheus reads: counters and gauges of the whole product, the same in whichever process answers.

Counters come from totals in the database, which outlive workers and jobs; gauges are asked of the ledger.
"""

import secrets
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from modules.jobs import selectors
from modules.jobs.domain import ALIVE, DURATION_BUCKETS, FAILURES, State
from modules.jobs.models import RunTotal
from modules.kernel import clock

GAUGES_LIVE_SECONDS = 5.0
RUN_LABELS = ["actor", "queue", "outcome"]


@never_cache
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """Answer with every metric, to whoever may read them."""
    if not may_read(request):
        return HttpResponse("Send METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain")
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry), content_type=content_type)


def may_read(request: HttpRequest) -> bool:
    """Return whether the request has METRICS_TOKEN, or, where none is set, comes from this very machine."""
    if expected := settings.JOBS["METRICS_TOKEN"]:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), expected.encode())
    # Behind a proxy on this machine everybody comes from it; the proxy's own header tells them apart.
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not is_forwarded and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class LedgerCollector(Collector):
    """Reads the ledger when it is asked."""

    def collect(self) -> Iterator[Metric]:
        """Return the counters as they are, and the gauges of the last few seconds."""
        yield from _runs(selectors.run_totals())
        yield from _gauges(int(time.monotonic() / GAUGES_LIVE_SECONDS))


_registry = CollectorRegistry(auto_describe=False)
_registry.register(LedgerCollector())


def _runs(totals: Iterable[RunTotal]) -> Iterable[Metric]:
    duration = HistogramMetricFamily("job_execution_duration_seconds", "How long runs took.", labels=RUN_LABELS)
    runs = CounterMetricFamily("job_execution", "Runs that ended.", labels=RUN_LABELS)
    failures = CounterMetricFamily("job_failures", "Runs that failed, timed out or died.", labels=RUN_LABELS)
    for row in totals:
        labels = [row.actor, row.queue, row.outcome]
        bounds = [*map(str, DURATION_BUCKETS), "+Inf"]
        duration.add_metric(labels, list(zip(bounds, [*row.buckets, row.count], strict=True)), row.seconds)
        runs.add_metric(labels, row.count)
        if row.outcome in FAILURES:
            failures.add_metric(labels, row.count)
    return duration, runs, failures


@lru_cache(maxsize=1)
def _gauges(_moment: int) -> list[Metric]:
    """Return what is true now; kept for a few seconds, so that many scrapes ask the ledger once."""
    now = clock.now()
    states = selectors.queue_states()
    waits = {row.queue: (now - row.oldest_at).total_seconds() for row in states if row.state == State.QUEUED}
    lengths = {(row.queue, row.state): row.count for row in states}
    return [
        _gauge("job_queue_length", "Unfinished jobs.", ["queue", "state"], _with_zeros(lengths)),
        _gauge("job_queue_latency_seconds", "How long the oldest ready job waits.", ["queue"], _with_zero(waits)),
        _gauge("job_schedule_lag_seconds", "How late a schedule is.", ["schedule"], selectors.schedule_lags(now=now)),
        _gauge("job_ledger_imbalance", "Jobs that nobody moves.", ["reason"], selectors.ledger_imbalance()),
        _gauge("job_dead_letters", "Failed and quarantined jobs.", ["actor"], selectors.dead_letters_by_actor()),
        _gauge("job_workers", "Living worker processes.", ["pool"], selectors.workers_by_pool(now=now)),
    ]


def _gauge(name: str, text: str, labels: list[str], values: dict[Any, Any]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        if value is not None:
            gauge.add_metric(list(key) if isinstance(key, tuple) else [key], float(value))
    return gauge


def _with_zeros(lengths: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return the lengths with an explicit 0 for known queues: a series that vanishes alerts nobody."""
    return {**{(queue, str(state)): 0 for queue in selectors.known_queues() for state in ALIVE}, **lengths}


def _with_zero(waits: dict[str, float]) -> dict[str, float]:
    return {
        **dict.fromkeys(selectors.known_queues(), 0.0),
        **{queue: max(seconds, 0.0) for queue, seconds in waits.items()},
    }
