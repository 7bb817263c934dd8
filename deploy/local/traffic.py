"""`python -m deploy.local.traffic`: a trickle of real jobs over the demonstration's data, so that the console lives.

Started by `make run` alone, and not with EMPTY=1. Each job does what it would do for a real shop; now and then one is
about a shop that is not there, and fails as such a job fails.
"""

import random
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import django
from django.db import Error, connection

SECONDS = 2.5  # between two jobs, on average
TAG = "demo"
SAMPLE = 200  # rows that the jobs are about


@dataclass(frozen=True)
class Scene:
    """Whose data the jobs are about."""

    tenant_id: int
    shop_id: int
    customer_ids: list[int]
    order_ids: list[int]


def main() -> int:
    """Send jobs until asked to stop; return 0 then."""
    django.setup()
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    chance = random.Random()  # noqa: S311 -- nothing secret depends on it
    while not is_over.wait(chance.expovariate(1 / SECONDS)):
        try:
            send_one(chance)
        except Error as error:  # the database restarts: the demonstration goes on after it
            sys.stderr.write(f"No job now: {error}\n")
        finally:
            connection.close()
    return 0


def send_one(chance: random.Random) -> str:
    """Send one job and return its actor; "" while there is no shop yet."""
    from modules.jobs import services

    scene = _scene()
    if scene is None:
        return ""
    make = chance.choices([deed for deed, _share in DEEDS], [share for _deed, share in DEEDS])[0]
    actor, arguments, queue = make(chance, scene)
    attempts = 1 if make is _nowhere else None  # or its end would come after an hour of retries
    services.enqueue(actor, kwargs=arguments, queue=queue, tenant_id=scene.tenant_id, tags=[TAG], max_attempts=attempts)
    return actor


def _scene() -> Scene | None:
    from modules.customers.models import Customer
    from modules.kernel.tenancy import all_tenants
    from modules.orders.models import Order
    from modules.shoptet.models import Shop

    with all_tenants():
        shop = Shop.objects.order_by("id").first()
        if shop is None:
            return None
        customers = Customer.objects.filter(tenant_id=shop.tenant_id).order_by("-id")
        orders = Order.objects.filter(tenant_id=shop.tenant_id).order_by("-id")
        return Scene(
            shop.tenant_id,
            shop.pk,
            list(customers.values_list("id", flat=True)[:SAMPLE]),
            list(orders.values_list("id", flat=True)[:SAMPLE]),
        )


Deed = tuple[str, dict[str, object], str]


def _figures(chance: random.Random, scene: Scene) -> Deed:
    chosen = chance.sample(scene.customer_ids, min(20, len(scene.customer_ids)))
    return "customers.recalculate_chunk", {"tenant_id": scene.tenant_id, "customer_ids": chosen}, "customers"


def _links(chance: random.Random, scene: Scene) -> Deed:
    chosen = chance.sample(scene.order_ids, min(5, len(scene.order_ids)))
    return "customers.attach_orders", {"tenant_id": scene.tenant_id, "order_ids": chosen}, "default"


def _orders(_chance: random.Random, scene: Scene) -> Deed:
    return "shoptet.fetch_new_orders", {"shop_id": scene.shop_id, "trigger": "manual"}, "snapshots-download"


def _stock(_chance: random.Random, scene: Scene) -> Deed:
    return "inventory.recalculate_tenant", {"tenant_id": scene.tenant_id}, "default"


def _nowhere(_chance: random.Random, scene: Scene) -> Deed:
    return "shoptet.prefill_target", {"shop_id": scene.shop_id + 1_000}, "import"


DEEDS: tuple[tuple[Callable[[random.Random, Scene], Deed], float], ...] = (
    *((_figures, 0.45), (_links, 0.40), (_orders, 0.06), (_stock, 0.08)),
    (_nowhere, 0.01),
)
"""What is sent, and its share."""


if __name__ == "__main__":
    sys.exit(main())
