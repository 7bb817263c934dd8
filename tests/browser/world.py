"""A shop's back office after some hours of work: rows for every page, no two alike, nothing secret."""

from datetime import timedelta
from random import Random

from modules.jobs.domain import State
from modules.jobs.models import Pause, RunMinute
from modules.kernel import clock
from modules.kernel.ids import uuid7
from tests.admin import factories

ACTORS = {
    "customers.attach_orders": ("default", {"tenant_id": 1, "order_ids": [1041, 1042, 1043]}),
    "shoptet.download_orders": ("snapshots-download", {"shop_id": 1, "trigger": "schedule"}),
    "shoptet.import_products": ("import", {"shop_id": 1, "page": 7, "token": "s3cr3t"}),
    "inventory.recalculate_variant_metrics": ("default", {"tenant_id": 1, "codes": ["TEE-RED-M", "MUG-01"]}),
    "notifications.send_email": ("emails", {"mail_id": 812}),
    "jobs.prune_jobs": ("low", {"hours": 168}),
}
CAUSES = [
    ("ReadTimeout", "The read operation timed out after 20 s: GET https://api.myshoptet.com/api/orders", 41),
    ("TemporaryShoptetError", "The shop answered 503: maintenance (request 9827)", 23),
    ("OperationalError", "(2003, \"Can't connect to MySQL server on 'db.example' (111)\")", 9),
    ("UnreadableOrder", "price: 'abc' is no amount, order 202609591", 5),
]
TRACEBACK = """Traceback (most recent call last):
  File "modules/shoptet/clients.py", line 118, in _get
    response = self._http.get(path, params=params)
httpx.ReadTimeout: The read operation timed out"""


def furnish(*, dice: Random) -> None:
    """Fill an empty product; the same dice make the same rows."""
    tenant = factories.make_tenant("Hrnky a trička")
    _jobs(tenant.pk, dice=dice)
    _signals(dice=dice)
    _groups(tenant)
    _shops(tenant)
    _messages(tenant)


def _jobs(tenant_id: int, *, dice: Random) -> None:
    now = clock.now()
    for number in range(90):
        actor = dice.choice(list(ACTORS))
        ended = now - timedelta(minutes=dice.uniform(1, 600))
        began = ended - timedelta(seconds=dice.uniform(0.2, 70))
        _job(actor, number, tenant_id, created_at=began - timedelta(seconds=2), started_at=began, finished_at=ended)
    for state, count in {State.QUEUED: 9, State.SCHEDULED: 3, State.RETRYING: 4, State.CANCELLED: 3}.items():
        for number in range(count):
            later = timedelta(minutes=number * 7 + 1) * (1 if state != State.QUEUED else -1)
            _job(dice.choice(list(ACTORS)), number, tenant_id, state=state, run_at=now + later)
    for kind, (error, message, count) in enumerate(CAUSES):
        for number in range(count):
            _failure(
                error, message, kind=kind, number=number, tenant_id=tenant_id, ended=now - timedelta(minutes=number * 9)
            )
    _running(tenant_id)


def _job(actor, number, tenant_id, *, state=State.SUCCEEDED, **fields):
    queue, arguments = ACTORS[actor]
    tags = ["shop:1"] if actor.startswith("shoptet") else []
    return factories.make_job(
        state, actor=actor, queue=queue, arguments=arguments, tenant_id=tenant_id, tags=tags, **fields
    )


def _failure(error, message, *, kind, number, tenant_id, ended):
    job = _job(
        list(ACTORS)[kind % len(ACTORS)],
        number,
        tenant_id,
        state=State.FAILED,
        error_type=error,
        error_message=message,
        fingerprint=f"{kind}" * 16,
        attempt=3,
        created_at=ended - timedelta(minutes=20),
        started_at=ended - timedelta(seconds=21),
        finished_at=ended,
    )
    if number == 0:
        worker = factories.make_worker(hostname="backroom-2", pid=900 + kind)
        for attempt in (1, 2, 3):
            factories.make_attempt(
                job,
                number=attempt,
                worker_id=worker.pk,
                error_type=error,
                error_message=message,
                traceback=TRACEBACK,
                log="12:00:01 page 1 of 3\n12:00:21 no answer",
            )


def _running(tenant_id: int) -> None:
    now = clock.now()
    worker = factories.make_worker(
        hostname="backroom-1", pid=4711, queues=["default", "high", "import"], started_at=now - timedelta(hours=7)
    )
    for number, (done, total) in enumerate([(8_140, 12_465), (3, 7), (1, 40)]):
        _job(
            "shoptet.import_products",
            number,
            tenant_id,
            state=State.RUNNING,
            worker_id=worker.pk,
            started_at=now - timedelta(seconds=95 - number * 30),
            progress_done=done,
            progress_total=total,
            progress_message="page 7",
        )


def _signals(*, dice: Random) -> None:
    minute = clock.now().replace(second=0, microsecond=0)
    for back in range(1, 60):
        for outcome, most in {"succeeded": 60, "failed": 5, "retrying": 3}.items():
            if count := dice.randint(0, most):
                RunMinute.objects.create(
                    minute_at=minute - timedelta(minutes=back),
                    actor="customers.attach_orders",
                    queue="default",
                    outcome=outcome,
                    count=count,
                    seconds=count * 0.4,
                    buckets=[],
                )
    Pause.objects.create(
        kind="queue", value="import", reason="the shop moves to another server", paused_by="jana", paused_at=minute
    )


def _groups(tenant) -> None:
    batch = factories.make_batch(tenant_id=tenant.pk, name="nightly prices")
    _job("jobs.prune_jobs", 1, tenant.pk, batch_id=batch.pk)
    failed = factories.make_job("failed", tenant_id=tenant.pk, actor="notifications.send_email", queue="emails")
    factories.make_replay(
        failed, tenant_ids=[tenant.pk], what="cause: ReadTimeout", started_by="jana", reason="it is up"
    )
    factories.make_bulk(tenant_ids=[tenant.pk], done=4, passed_over=1)
    nightly = factories.make_schedule("shoptet.orders", description="Read new orders of every shop")
    factories.make_schedule("customers.metrics", problem="There is no actor customers.forgotten.")
    factories.make_firing(nightly)


def _shops(tenant) -> None:
    shop = factories.make_shop(tenant, "hrnky.example")
    order = factories.make_order(shop, "202609591", full_name="Jana Nová")
    factories.make_product(shop, "0f1e2d3c")
    factories.make_customer(tenant, "Petr Dvořák", orders=(order,))
    factories.make_variant(tenant, "Red T-shirt, M", code="TEE-RED-M")
    factories.make_execution(shop)
    factories.make_parked(shop, "202609592")


def _messages(tenant) -> None:
    factories.make_mail(tenant, "An invitation to Backroom")
    factories.make_notice(tenant, "attic-flat")
    factories.make_suppression(tenant, "nobody")
    factories.make_receipt(run=uuid7())
