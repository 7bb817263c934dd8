"""What shops tell us: proven, stored, answered at once; found out later by asking the shop."""

import hashlib
import hmac
import json
import time
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command

from modules.accounts.models import Tenant
from modules.catalog.models import Product
from modules.inventory.models import StockLevel
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.secrets import encrypt
from modules.kernel.tenancy import all_tenants
from modules.orders.models import Order
from modules.shoptet import clients, domain, services
from modules.shoptet.models import Shop, SnapshotExecution, WebhookEvent
from tests.simulators.shoptet import FaultKind
from tests.simulators.shoptet.answers import ApiError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
KEY = "61d1175f54c47dd67df14c17002a17b2"
BODY = (
    b'{"eshopId":315185,"event":"addon:uninstall","eventCreated":"2019-09-23T22:01:36+0200","eventInstance":"315185"}'
)
SIGNATURE = "a0e0a3e7689bd4c80e4d6ffcccb05235b864e1d0"


@pytest.fixture(autouse=True)
def _everybody(monkeypatch, settings, tmp_path, live_server):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    settings.MEDIA_ROOT = tmp_path
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": live_server.url}
    with all_tenants():
        yield


@pytest.fixture
def shop(simulated):
    tenant = Tenant.objects.create(name="Alice")
    return services.add_shop(tenant_id=tenant.pk, name="Alice's", base_url=simulated.url, token=simulated.token)


@pytest.fixture
def told(shop, simulated):
    """A shop that tells us of its events."""
    with services.connect(shop) as connected:
        services.register_webhooks(shop=shop, client=connected)
    simulated.reset_log = len(simulated.requests())
    return shop


@pytest.fixture
def post(client):
    def send(shop_id, body=BODY, signature=SIGNATURE, **headers):
        return client.post(
            f"/webhooks/shoptet/{shop_id}", body, "application/json", headers={"Shoptet-Webhook-Signature": signature}
        )

    return send


def sign(body, key=KEY):
    return hmac.new(key.encode(), body, hashlib.sha1).hexdigest()


def set_key(shop, **fields):
    Shop.objects.filter(id=shop.pk).update(webhook_key_encrypted=encrypt(KEY), **fields)


@pytest.mark.parametrize(
    ("key", "body", "signature"),
    [
        (KEY, BODY, SIGNATURE),
        (
            "8a5e881b19ad6cc0bc986587b22e30be",
            b'{"eshopId":222651,"event":"brand:update","eventCreated":"2019-01-08T15:13:39+0100",'
            b'"eventInstance":"\\u010dern\\u00fd\\/b\\u00edl\\u00fd"}',
            "a56cdb50accc4370a19415b4390ce1220f0028cc",
        ),
    ],
)
def test_the_signature_is_the_vendors(key, body, signature):
    assert domain.webhook_signature(body, key) == signature


def test_the_vendors_own_event_is_taken(shop, post):
    set_key(shop)

    assert post(shop.public_id).status_code == 200

    event = WebhookEvent.objects.get()
    assert (event.event, event.instance, event.body.encode(), event.tenant_id) == (
        "addon:uninstall",
        "315185",
        BODY,
        shop.tenant_id,
    )


@pytest.mark.parametrize("signature", ["", "0" * 40, SIGNATURE.upper(), SIGNATURE[:-1], f"sha1={SIGNATURE}", "č"])
def test_a_forged_signature_is_refused_and_nothing_is_stored(shop, post, signature):
    set_key(shop)

    assert post(shop.public_id, signature=signature).status_code == 404
    assert (WebhookEvent.objects.count(), Job.objects.count()) == (0, 0)


def test_a_body_that_was_changed_by_a_space_is_refused(shop, post):
    set_key(shop)

    assert post(shop.public_id, body=BODY.replace(b":", b": ")).status_code == 404


def test_without_a_key_nobody_can_sign(shop, post):
    assert post(shop.public_id, signature=sign(BODY, "")).status_code == 404


def test_a_shop_cannot_speak_for_another(shop, post):
    set_key(shop)
    bob = Tenant.objects.create(name="Bob")
    other = services.add_shop(tenant_id=bob.pk, name="Bob's", base_url="http://127.0.0.1:9", token="t")

    assert post(other.public_id).status_code == 404
    assert post(uuid.uuid4()).status_code == 404
    Shop.objects.filter(id=shop.pk).update(eshop_id=1)
    assert post(shop.public_id).status_code == 404
    assert WebhookEvent.objects.count() == 0


def test_the_former_key_is_honored_for_an_hour(shop, post):
    body = BODY.replace(b"uninstall", b"suspend")
    Shop.objects.update(
        webhook_key_encrypted=encrypt("new"),
        former_webhook_key_encrypted=encrypt(KEY),
        former_webhook_key_until=clock.now() + timedelta(minutes=1),
    )
    assert post(shop.public_id).status_code == 200
    assert post(shop.public_id, body=body, signature=sign(body, "new")).status_code == 200

    Shop.objects.update(former_webhook_key_until=clock.now())

    assert post(shop.public_id).status_code == 404


def test_renewing_the_key_keeps_the_former_one_for_an_hour(told, simulated):
    former = Shop.objects.get().webhook_key_encrypted

    with services.connect(told) as connected:
        services.renew_webhook_key(shop=told, client=connected)

    shop = Shop.objects.get()
    assert shop.former_webhook_key_encrypted == former
    assert timedelta(minutes=59) < shop.former_webhook_key_until - clock.now() < timedelta(minutes=61)
    simulated.create_order()
    assert [delivery.status for delivery in simulated.deliver_webhooks()] == [200]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"event": "order:create"}', b'{"event": {}, "eventInstance": "1"}', b"\xff"]
)
def test_signed_rubbish_is_refused_for_good(shop, post, body):
    set_key(shop)

    assert post(shop.public_id, body=body, signature=sign(body)).status_code == 400
    assert WebhookEvent.objects.count() == 0


def test_a_body_over_the_limit_is_not_read(shop, post, settings):
    set_key(shop)
    settings.SHOPTET = {**settings.SHOPTET, "MAX_WEBHOOK_BYTES": 100}

    assert post(shop.public_id).status_code == 413


def test_only_a_post_is_taken(shop, client):
    assert client.get(f"/webhooks/shoptet/{shop.public_id}").status_code == 405


def test_the_answer_comes_within_a_second_and_asks_nobody(told, simulated):
    simulated.create_order()
    before = len(simulated.requests())
    began = time.monotonic()

    delivered = simulated.deliver_webhooks()

    assert ([delivery.status for delivery in delivered], time.monotonic() - began < 1) == ([200], True)
    assert len(simulated.requests()) == before


def test_registering_again_changes_neither_addresses_nor_key(told, simulated):
    key, rows = simulated.api.webhooks.key, simulated.api.webhooks.rows()

    with services.connect(told) as connected:
        services.register_webhooks(shop=told, client=connected)

    assert (simulated.api.webhooks.key, simulated.api.webhooks.rows()) == (key, rows)
    assert sorted(row["event"] for row in rows) == [
        *("job:finished", "order:create", "order:delete", "order:update", "stock:movement"),
    ]


def test_orders_are_created_changed_and_deleted_as_told(told, simulated, drain):
    kept, gone = (simulated.create_order({"email": "old@x.cz"}) for _ in range(2))
    simulated.deliver_webhooks()
    drain()
    assert set(Order.objects.values_list("code", flat=True)) == {kept, gone}
    simulated.advance(60)
    simulated.edit_order(kept, {"email": "new@x.cz"})
    simulated.delete_order(gone)

    simulated.deliver_webhooks()
    drain()

    assert Order.objects.get(deleted_at=None).email == "new@x.cz"
    assert Order.objects.get(code=gone).deleted_at is not None
    assert not WebhookEvent.objects.filter(handled_at=None).exists()


def test_a_forged_delete_deletes_nothing(told, simulated, drain):
    code = simulated.create_order()
    simulated.advance(60)
    simulated.deliver_webhooks()
    drain()
    simulated.api.webhooks.announce("order:delete", code)  # signed, and a lie

    simulated.deliver_webhooks()
    drain()

    assert Order.objects.get().deleted_at is None


@pytest.mark.parametrize("code", ["../eshop", "a/b", "x" * 500, "č \u2028", "%2e%2e", "[1, 2]", "["])
def test_a_strange_code_is_asked_for_as_a_code_and_harms_nothing(told, simulated, drain, code):
    simulated.api.webhooks.announce("order:delete", code)

    simulated.deliver_webhooks()
    drain()

    asked = simulated.requests()[simulated.reset_log :]
    assert all(request.path.startswith("/api/orders/") and request.path.count("/") == 3 for request in asked)
    assert (Order.objects.count(), set(Job.objects.values_list("state", flat=True))) == (0, {"succeeded"})


def test_a_mass_event_names_its_orders_in_a_list(told, simulated, drain):
    codes = [simulated.create_order() for _ in range(3)]
    simulated.api.webhooks.outbox.clear()
    simulated.api.webhooks.announce("order:update", json.dumps(codes))

    simulated.deliver_webhooks()
    drain()

    assert set(Order.objects.values_list("code", flat=True)) == set(codes)


def test_told_a_thousand_times_it_is_done_once(told, simulated, drain):
    simulated.create_order()
    delivery = simulated.deliver_webhooks()[0]
    signature = simulated.api.webhooks.sign(delivery.body)
    for _ in range(999):
        services.receive_webhook(
            public_id=told.public_id, body=delivery.body, signature=signature, received_at=clock.now()
        )
    drain()

    event = WebhookEvent.objects.get()
    assert (event.deliveries, Job.objects.filter(actor="shoptet.handle_webhooks").count()) == (1000, 1)
    assert [request.path for request in simulated.requests()[simulated.reset_log :]] == [
        f"/api/orders/{event.instance}"
    ]


def test_replayed_and_reordered_events_leave_the_shops_present_state(told, simulated, drain):
    code = simulated.create_order({"email": "1@x.cz"})
    simulated.advance(60)
    simulated.edit_order(code, {"email": "2@x.cz"})
    simulated.advance(60)
    simulated.edit_order(code, {"email": "3@x.cz"})
    simulated.advance(60)
    events = list(simulated.api.webhooks.outbox)
    simulated.api.webhooks.outbox.clear()
    for delivery in [*reversed(events), *events]:
        simulated.api.webhooks.outbox.append(delivery)
        simulated.deliver_webhooks()
        drain()

    assert Order.objects.get().email == "3@x.cz"
    assert WebhookEvent.objects.count() == 3


def test_events_wait_while_the_shop_is_down(told, simulated, drain):
    simulated.create_order()
    simulated.deliver_webhooks()
    simulated.inject(FaultKind.SERVER_ERROR, times=6)

    drain()

    assert (WebhookEvent.objects.filter(handled_at=None).count(), Order.objects.count()) == (1, 0)
    assert Job.objects.get().state == "retrying"


def test_more_than_fifty_events_are_a_chain_of_jobs(told, simulated, drain):
    for _ in range(60):
        simulated.create_order()
    simulated.deliver_webhooks()

    drain()

    assert (Order.objects.count(), WebhookEvent.objects.filter(handled_at=None).count()) == (60, 0)


@pytest.fixture
def master(shop, simulated):
    """A master shop that tells us of its events."""
    Shop.objects.update(is_master=True)
    shop.refresh_from_db()
    with services.connect(shop) as connected:
        services.register_webhooks(shop=shop, client=connected)
    simulated.reset_log = len(simulated.requests())
    return shop


def test_a_master_tells_of_its_products_too(master, simulated):
    events = {row["event"] for row in simulated.api.webhooks.rows()}

    assert {"product:create", "product:update", "product:delete", "stock:movement", "order:create"} < events


def test_a_shop_that_was_registered_before_gets_what_is_new(told, simulated):
    Shop.objects.update(is_master=True)
    told.refresh_from_db()

    with services.connect(told) as connected:
        services.register_webhooks(shop=told, client=connected)

    assert len([row for row in simulated.api.webhooks.rows() if row["event"].startswith("product:")]) == 3


def test_a_shop_that_tells_nothing_of_products_still_tells_of_orders(shop, simulated, monkeypatch, caplog):
    Shop.objects.update(is_master=True)
    shop.refresh_from_db()
    add = simulated.api.webhooks.register

    def refuse_beta(wanted):
        if any(row["event"].startswith("product:") for row in wanted):
            raise ApiError(400, "invalid-parameter", "Unknown event.")
        return add(wanted)

    monkeypatch.setattr(simulated.api.webhooks, "register", refuse_beta)

    with services.connect(shop) as connected:
        services.register_webhooks(shop=shop, client=connected)

    assert len(simulated.api.webhooks.rows()) == 5
    assert "product:create" in caplog.text


def test_products_are_created_changed_and_deleted_as_told(master, simulated, drain):
    kept, gone = (simulated.products.create({"name": "Old"}) for _ in range(2))
    simulated.deliver_webhooks()
    drain()
    assert set(Product.objects.values_list("guid", flat=True)) == {kept, gone}
    simulated.advance(60)
    simulated.products.edit(kept, {"name": "New"})
    simulated.products.delete(gone)

    simulated.deliver_webhooks()
    drain()

    assert Product.objects.get(deleted_at=None).name == "New"
    assert Product.objects.get(guid=gone).deleted_at is not None
    assert not WebhookEvent.objects.filter(handled_at=None).exists()


def test_a_forged_delete_of_a_product_deletes_nothing(master, simulated, drain):
    guid = simulated.products.create()
    simulated.advance(60)
    simulated.deliver_webhooks()
    drain()
    simulated.api.webhooks.announce("product:delete", guid)

    simulated.deliver_webhooks()
    drain()

    assert Product.objects.get().deleted_at is None


def test_replayed_and_reordered_product_events_leave_the_present_state(master, simulated, drain):
    guid = simulated.products.create({"name": "1"})
    for name in ("2", "3"):
        simulated.advance(60)
        simulated.products.edit(guid, {"name": name})
    simulated.advance(60)
    events = list(simulated.api.webhooks.outbox)
    simulated.api.webhooks.outbox.clear()
    for delivery in [*reversed(events), *events]:
        simulated.api.webhooks.outbox.append(delivery)
        simulated.deliver_webhooks()
        drain()

    assert (Product.objects.get().name, WebhookEvent.objects.count()) == ("3", 3)


def test_a_product_told_of_a_thousand_times_is_fetched_once(master, simulated, drain):
    guid = simulated.products.create()
    delivery = simulated.deliver_webhooks()[0]
    signature = simulated.api.webhooks.sign(delivery.body)
    for _ in range(999):
        services.receive_webhook(
            public_id=master.public_id, body=delivery.body, signature=signature, received_at=clock.now()
        )
    drain()

    assert WebhookEvent.objects.get().deliveries == 1000
    assert [call.path for call in simulated.requests()[simulated.reset_log :]] == [f"/api/products/{guid}"]


def test_products_of_a_shop_that_is_no_master_are_not_asked_for(told, simulated, drain):
    simulated.api.webhooks.register([{"event": "product:create", "url": services.webhook_url(told)}])
    simulated.products.create()

    simulated.deliver_webhooks()
    drain()

    assert (Product.objects.count(), len(simulated.requests())) == (0, simulated.reset_log)
    assert WebhookEvent.objects.get().handled_at is not None


def test_product_events_wait_while_the_shop_is_down(master, simulated, drain):
    simulated.products.create()
    simulated.deliver_webhooks()
    simulated.inject(FaultKind.SERVER_ERROR, times=6)

    drain()

    assert (WebhookEvent.objects.filter(handled_at=None).count(), Product.objects.count()) == (1, 0)
    event = WebhookEvent.objects.get()
    assert (event.failures, event.reason) == (0, "")  # it is not the product that is refused


def refuse(simulated, kind, code, **options):
    return simulated.inject(kind, path=f"/api/orders/{code}", times=None, **options)


def states():
    """Return by event what it is about, whether it is handled, and what was refused."""
    return [
        (event.instance, event.handled_at is not None, event.reason) for event in WebhookEvent.objects.order_by("id")
    ]


def test_an_order_that_is_refused_for_good_holds_up_no_other(told, simulated, drain):
    bad, *good = [simulated.create_order() for _ in range(3)]
    refuse(simulated, FaultKind.WITHOUT_RIGHTS, bad)
    simulated.deliver_webhooks()
    drain()
    later = simulated.create_order()
    simulated.deliver_webhooks()
    drain()

    assert set(Order.objects.values_list("code", flat=True)) == {*good, later}
    reason = f"{bad}: The API token may not read this. Give it the right in Shoptet's administration."
    assert states() == [(bad, True, reason), *[(code, True, "") for code in (*good, later)]]
    assert {job.state for job in Job.objects.filter(actor="shoptet.handle_webhooks")} == {"succeeded"}


def test_an_order_that_the_shop_fails_to_tell_waits_alone_and_is_given_up_in_the_end(told, simulated, drain):
    bad, good = simulated.create_order(), simulated.create_order()
    refuse(simulated, FaultKind.SERVER_ERROR, bad)
    simulated.deliver_webhooks()
    drain()

    assert [Order.objects.get().code, *(row[:2] for row in states())] == [good, (bad, False), (good, True)]
    assert Job.objects.get(state="scheduled").run_at > clock.now()
    for _ in range(7):
        WebhookEvent.objects.filter(handled_at=None).update(next_try_at=clock.now())
        services.handle_webhooks(shop_id=told.pk)
    event = WebhookEvent.objects.get(instance=bad)
    assert (event.failures, event.handled_at is None, event.next_try_at, event.reason) == (
        8,
        False,
        None,
        f"{bad}: The shop is busy or under maintenance (HTTP 500).",
    )


def test_fifty_refused_events_at_the_head_hold_up_no_later_one(told, simulated, drain):
    for _ in range(50):
        refuse(simulated, FaultKind.WITHOUT_RIGHTS, simulated.create_order())
    good = simulated.create_order()
    simulated.deliver_webhooks()

    drain()

    assert Order.objects.get().code == good


def test_a_later_event_of_an_order_does_for_the_refused_one(told, simulated, drain):
    code = simulated.create_order({"email": "1@x.cz"})
    fault = refuse(simulated, FaultKind.WITHOUT_RIGHTS, code)
    simulated.deliver_webhooks()
    drain()
    simulated.clear_faults()
    simulated.advance(60)
    simulated.edit_order(code, {"email": "2@x.cz"})
    simulated.deliver_webhooks()

    drain()

    assert (fault.struck, Order.objects.get().email) == (1, "2@x.cz")
    assert states() == [(code, True, ""), (code, True, "")]


def test_refused_events_are_all_processed_again_by_a_command(told, simulated, drain, capsys):
    for code in [simulated.create_order() for _ in range(3)]:
        refuse(simulated, FaultKind.WITHOUT_RIGHTS, code)
    simulated.deliver_webhooks()
    drain()
    assert Order.objects.count() == 0
    simulated.clear_faults()

    call_command("shoptet_webhooks", shop=told.pk, again=True)
    drain()

    assert capsys.readouterr().out == "Events that are processed again: 3.\n"
    assert (Order.objects.count(), WebhookEvent.objects.exclude(reason="").count()) == (3, 0)


def test_a_master_that_may_not_read_products_still_brings_its_orders(master, simulated, drain):
    guid, code = simulated.products.create(), simulated.create_order()
    simulated.inject(FaultKind.WITHOUT_RIGHTS, path="/api/products/*", times=None)
    simulated.deliver_webhooks()

    drain()

    assert Order.objects.get().code == code
    assert [(instance, is_handled, bool(reason)) for instance, is_handled, reason in states()] == [
        (guid, True, True),
        (code, True, False),
    ]


def test_movements_of_stock_are_read_once_however_many_are_told(told, simulated, drain):
    for _ in range(60):
        simulated.shop.stocks.move("P1", "1")
        simulated.advance(1)
    simulated.deliver_webhooks()

    drain()

    job = Job.objects.get(actor="shoptet.fetch_stocks")
    assert (job.state, job.arguments["trigger"]) == ("scheduled", "webhook")
    assert not WebhookEvent.objects.filter(handled_at=None).exists()
    services.fetch_stocks(shop_id=told.pk, holder="t", report=lambda *_: None)
    assert StockLevel.objects.get().amount == 60


def test_an_event_is_handled_again(told, simulated, drain):
    code = simulated.create_order()
    simulated.deliver_webhooks()
    drain()
    Order.objects.all().delete()

    services.handle_again(event=WebhookEvent.objects.get())
    drain()

    assert Order.objects.get().code == code
    assert WebhookEvent.objects.get().handled_at is not None


def test_a_finished_job_is_fetched_at_once(shop, simulated, drain):
    simulated.create_order()
    simulated.advance(60)
    services.request_snapshot(shop=shop, what="orders")
    drain()

    simulated.deliver_webhooks()
    drain()

    entry = SnapshotExecution.objects.get()
    assert (entry.status, entry.polls, Order.objects.count()) == ("completed", 1, 1)


def test_a_job_that_ends_before_we_noted_its_number_is_not_missed(told, simulated, drain, monkeypatch):
    """The webhook comes between the shop's answer and our commit."""
    from modules.shoptet.services import _snapshots

    simulated.create_order()
    simulated.deliver_webhooks()
    drain()
    note = _snapshots._note_asked

    def noted_late(entry, **values):
        simulated.deliver_webhooks()
        drain_other()
        note(entry, **values)

    def drain_other():
        services.handle_webhooks(shop_id=told.pk)

    monkeypatch.setattr(_snapshots, "_note_asked", noted_late)

    services.request_snapshot(shop=told, what="orders")
    drain()

    assert SnapshotExecution.objects.get().status == "completed"


@pytest.mark.parametrize("instance", ["unknown", "../x"])
def test_a_job_that_is_not_ours_is_left_alone(told, simulated, drain, instance):
    simulated.api.webhooks.announce("job:finished", instance)

    simulated.deliver_webhooks()
    drain()

    assert len(simulated.requests()) == simulated.reset_log
    assert WebhookEvent.objects.get().handled_at is not None


def test_old_events_are_pruned_and_waiting_ones_stay(shop):
    for number, handled_at in enumerate([clock.now() - timedelta(days=31), clock.now(), None]):
        WebhookEvent.objects.create(
            tenant_id=shop.tenant_id, shop=shop, event="e", instance=str(number), event_created="", digest=number,
            body="", received_at=clock.now(), handled_at=handled_at,
        )  # fmt: skip

    assert services.prune_webhooks(handled_before=clock.now() - timedelta(days=30), limit=10) == 1
    assert list(WebhookEvent.objects.order_by("id").values_list("instance", flat=True)) == ["1", "2"]
