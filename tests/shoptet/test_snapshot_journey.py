"""Snapshots whose worker is killed with -9 at each step: in the end everything is as if nobody had been killed."""

import time

import pytest
from django.db import connection, transaction

from modules.accounts.models import Tenant
from modules.jobs.models import Attempt, Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.orders.models import Order
from modules.shoptet import services
from modules.shoptet.models import SnapshotExecution
from tests.shoptet.test_snapshots import RESULTS, counts, fill, stored
from tests.simulators.shoptet import FaultKind
from tests.support.processes import WorkerProcess, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey, pytest.mark.timeout(600)]
QUEUES = "default high snapshots-download snapshots-process"
ORDERS = 2_200  # three chunks
PUBLIC_URL = "http://127.0.0.1:9"  # nobody listens: the watchdog does the work of the webhook
Status = SnapshotExecution.Status


@pytest.fixture(autouse=True)
def _everybody(settings):
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": PUBLIC_URL}
    with all_tenants():
        yield


@pytest.fixture
def shop(simulated):
    fill(simulated, ORDERS)
    tenant = Tenant.objects.create(name="Alice")
    return services.add_shop(tenant_id=tenant.pk, name="Alice's", base_url=simulated.url, token=simulated.token)


def worker():
    return WorkerProcess(queues=QUEUES, env={"PUBLIC_URL": PUBLIC_URL, "JOBS_LEASE_SECONDS": "10"})


def kill(victim):
    victim.kill_child()
    victim.process.wait(timeout=20)


def watch():
    """Let the watchdog look at what the shop was asked for, however soon."""
    SnapshotExecution.objects.filter(finished_at=None).update(next_poll_at=clock.now())
    services.watch_snapshots(now=clock.now())


def wait_for(is_so, *, seconds=150):
    """Play the watchdog until it is so."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(SnapshotExecution.objects.values("status", "lines_done", "error").get())
        if SnapshotExecution.objects.filter(status=Status.REQUESTED).exists():
            watch()
        time.sleep(0.05)


def kill_at(victim, is_there):
    """Kill a worker that cannot go on, because the log entry is locked, at the moment when `is_there(entry)`."""
    wait_for(lambda: SnapshotExecution.objects.get().status not in {Status.QUEUED, Status.REQUESTED})
    until = time.monotonic() + 150
    while time.monotonic() < until:
        with transaction.atomic():
            entry = SnapshotExecution.objects.select_for_update().get()
            assert entry.finished_at is None, "The worker was too quick."
            if is_there(entry):
                wait_until(is_somebody_waiting)
                kill(victim)
                return
    raise TimeoutError("The worker did not come there.")


def is_somebody_waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def hang(path, kind=FaultKind.HANG):
    """Kill the worker while the shop leaves it without an answer."""

    def strike(simulated, victim):
        fault = simulated.inject(kind, path=path, seconds=15, times=None)
        wait_for(lambda: fault.struck)
        kill(victim)
        simulated.clear_faults()

    return strike


def lock(is_there):
    return lambda _simulated, victim: kill_at(victim, is_there)


STEPS = {
    "while the shop is asked for it": hang("/api/orders/snapshot"),
    "while the shop is asked whether it is done": hang("/api/system/jobs/*"),
    "in the middle of the download": hang(RESULTS, FaultKind.SLOW_BODY),
    "between the file and the note that it is there": lock(lambda e: e.status == Status.DOWNLOADING and e.file_name),
    "before the first chunk": lock(lambda e: e.status == Status.PROCESSING and e.lines_done == 0),
    "between chunks": lock(lambda e: 0 < e.lines_done < ORDERS),
    "between the last chunk and the end": lock(lambda e: e.lines_done == ORDERS),
    "while it is asked what was deleted": hang("/api/orders/changes"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_anywhere_is_as_one_that_was_not(simulated, shop, step):
    entry, _is_new = services.request_snapshot(shop=shop, what="orders")
    with worker() as first:
        STEPS[step](simulated, first)
    with worker() as second:
        wait_for(lambda: not Job.objects.exclude(state="succeeded").exists() and is_over(entry))
        assert second.stop() == 0

    killed = stored()
    assert (len(killed), counts(entry), entry.lines_done) == (ORDERS, (ORDERS, 0, 0, 0), ORDERS)
    assert Attempt.objects.filter(outcome="crashed").exists()
    assert killed == without_a_kill(shop)


def is_over(entry):
    entry.refresh_from_db()
    return entry.status == Status.COMPLETED


def without_a_kill(shop):
    """Return what a snapshot stores that nobody disturbs."""
    Order.objects.all().delete()
    SnapshotExecution.objects.all().delete()
    entry, _is_new = services.request_snapshot(shop=shop, what="orders")
    for step in (services.ask_for_snapshot, services.check_snapshot, services.download_snapshot):
        step(execution_id=entry.pk)
    services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)
    return stored()
