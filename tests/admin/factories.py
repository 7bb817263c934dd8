"""Rows with boring defaults; a test states every value that it depends on."""

import json
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission

from modules.accounts import services as account_services
from modules.accounts.models import ActivityEntry, Login, Membership, Tenant, User
from modules.catalog import services as catalog_services
from modules.catalog.models import Product
from modules.customers.models import Customer, CustomerMetrics, CustomerOrder
from modules.drafts.models import Invitation, Project, Property, Record, ShareMember, SyncItem, Unit
from modules.inventory.models import VariantMetrics
from modules.jobs.domain import ENDED, State
from modules.jobs.models import (
    Attempt,
    Batch,
    BulkOperation,
    Job,
    JobSchedule,
    Replay,
    ReplayedJob,
    ScheduleFiring,
    Worker,
)
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants
from modules.notifications.models import CleanupReceipt, EmailMessage, Notification, Recipient, Suppression
from modules.orders import services as order_services
from modules.orders.models import Order
from modules.reports.models import Export, WeeklySummary
from modules.shoptet import services as shoptet_services
from modules.shoptet.models import Addon, ParkedRecord, Shop, SnapshotExecution, WebhookEvent
from tests.catalog.factories import product_facts
from tests.drafts.factories import make_draft, make_invitation, make_property, make_sync_item
from tests.orders.factories import order_facts


def make_tenant(name: str) -> Tenant:
    return Tenant.objects.get_or_create(name=name)[0]


def make_staff(username: str, *, tenants: list[Tenant], permissions: list[str]) -> User:
    """Return a member of staff; permissions are written like "jobs.view_job", or "view_*" for every look."""
    user = User.objects.create_user(username, password=username, is_staff=True)
    for tenant in tenants:
        Membership.objects.create(user=user, tenant=tenant, role=Membership.Role.VIEWER)
    wanted = Permission.objects.select_related("content_type")
    user.user_permissions.set(
        permission
        for permission in wanted
        if f"{permission.content_type.app_label}.{permission.codename}" in permissions
        or ("view_*" in permissions and permission.codename.startswith("view_"))
    )
    return user


def make_job(state: str = State.SUCCEEDED, **fields: Any) -> Job:
    now = clock.now()
    boring: dict[str, Any] = {
        "actor": "tests.note",
        "queue": "default",
        "arguments": {"word": "hello"},
        "state": state,
        "run_at": now,
        "created_at": now,
        "max_attempts": 3,
    }
    if state in ENDED or state == State.RUNNING:
        boring |= {"started_at": now, "attempt": 1, "fence": 1}
    if state in ENDED:
        boring |= {"finished_at": now}
    if state == State.RUNNING:
        boring |= {"worker_id": fields.get("worker_id") or make_worker().pk, "deadline_at": now + timedelta(minutes=1)}
    if state == State.FAILED:
        boring |= {"error_type": "ValueError", "error_message": "no luck", "fingerprint": "f" * 16}
    return Job.objects.create(**(boring | fields))


def make_batch(**fields: Any) -> Batch:
    return Batch.objects.create(**({"name": "import", "created_at": clock.now()} | fields))


def make_replay(*jobs: Job, **fields: Any) -> Replay:
    """Return a replay whose members are these jobs, all released."""
    boring = {"what": "all failed jobs", "started_at": clock.now(), "total": len(jobs), "in_flight": len(jobs)}
    replay = Replay.objects.create(**(boring | fields))
    ReplayedJob.objects.bulk_create(ReplayedJob(replay=replay, job_id=job.pk, released_fence=1) for job in jobs)
    return replay


def make_bulk(**fields: Any) -> BulkOperation:
    """Return a bulk action that runs and has nothing to do."""
    boring = {"verb": "cancel", "search": "queue:low", "upto": uuid7(), "reason": "a test", "started_by": "jana"}
    return BulkOperation.objects.create(**(boring | {"started_at": clock.now(), "total": 7} | fields))


def make_attempt(job: Job, **fields: Any) -> Attempt:
    now = clock.now()
    boring = {"number": 1, "started_at": now, "ended_at": now, "outcome": "failed"}
    boring["worker_id"] = fields.get("worker_id") or make_worker().pk
    return Attempt.objects.create(job=job, **(boring | fields))


def make_worker(**fields: Any) -> Worker:
    now = clock.now()
    boring = {
        "hostname": "box",
        "pid": 7,
        "queues": ["default"],
        "started_at": now,
        "seen_at": now,
        "lease_until": now + timedelta(minutes=1),
    }
    return Worker.objects.create(**(boring | fields))


def make_schedule(key: str = "tests.nightly", **fields: Any) -> JobSchedule:
    boring = {
        "actor": "tests.note",
        "default_cron": "0 3 * * *",
        "default_timezone": "Europe/Prague",
        "default_options": {"word": "night"},
        "evaluated_until": clock.now(),
    }
    return JobSchedule.objects.create(key=key, **(boring | fields))


def make_firing(schedule: JobSchedule, **fields: Any) -> ScheduleFiring:
    now = clock.now()
    return ScheduleFiring.objects.create(
        schedule=schedule, **({"due_at": now, "fired_at": now, "outcome": "fired"} | fields)
    )


def make_shop(tenant: Tenant, name: str = "shop", **fields: Any) -> Shop:
    with all_tenants():
        shop = shoptet_services.add_shop(
            tenant_id=tenant.pk, name=name, base_url="https://api.example.com", token="token-of-" + name
        )
        for column, value in fields.items():
            setattr(shop, column, value)
        shop.save()
    return shop


def make_addon(tenant: Tenant, name: str = "add-on", **values: Any) -> Addon:
    server = "https://partner.example.com/action/ApiOAuthServer"
    usual = {"client_id": "our-client", "client_secret": "secret-of-" + name, "oauth_server": server}
    with all_tenants():
        return shoptet_services.add_addon(
            tenant_id=tenant.pk, name=name, base_url="https://api.example.com", **usual | values
        )


def make_order(shop: Shop, code: str = "A1", **facts: Any) -> Order:
    with all_tenants():
        order_services.import_orders(
            channel_id=shop.channel_id, orders=[order_facts(code, **facts)], fetched_at=clock.now()
        )
        return Order.objects.get(channel=shop.channel_id, code=code)


def make_product(shop: Shop, guid: str = "p1", **facts: Any) -> Product:
    with all_tenants():
        storefront = catalog_services.open_storefront(tenant_id=shop.tenant_id, kind="shoptet", name=shop.name)
        catalog_services.import_products(
            storefront_id=storefront.pk, products=[product_facts(guid, **facts)], fetched_at=clock.now()
        )
        return Product.objects.get(storefront=storefront, guid=guid)


def make_customer(tenant: Tenant, full_name: str = "Jana Nová", *, orders: tuple[Order, ...] = ()) -> Customer:
    with all_tenants():
        customer = Customer.objects.create(tenant=tenant, full_name=full_name)
        for order in orders:
            CustomerOrder.objects.create(tenant=tenant, customer=customer, order=order, linked_by="created")
        CustomerMetrics.objects.create(
            tenant=tenant, customer=customer, order_count=len(orders), recalculated_at=clock.now()
        )
    return customer


def make_variant(tenant: Tenant, name: str = "Thing", *, code: str = "P1", **fields: Any) -> VariantMetrics:
    with all_tenants():
        channel = order_services.open_channel(tenant_id=tenant.pk, kind="shoptet", name="shop", currency="CZK")
        boring = {"risk": "out", "amount": 0, "days_left": 0, "velocity": 1, "sold_90": 90, "revenue_90": 900}
        return VariantMetrics.objects.create(
            tenant=tenant, channel=channel, code=code, name=name, recalculated_at=clock.now(), **(boring | fields)
        )


def make_execution(shop: Shop, **fields: Any) -> SnapshotExecution:
    now = clock.now()
    boring = {
        "kind": "orders-incremental",
        "trigger": "schedule",
        "status": "completed",
        "started_at": now,
        "finished_at": now,
    }
    with all_tenants():
        return SnapshotExecution.objects.create(tenant_id=shop.tenant_id, shop=shop, **(boring | fields))


def make_parked(shop: Shop, code: str = "A9", **fields: Any) -> ParkedRecord:
    now = clock.now()
    boring = {"kind": "order", "raw": "{}", "reason": "no amount", "parked_at": now, "attempted_at": now}
    with all_tenants():
        return ParkedRecord.objects.create(tenant_id=shop.tenant_id, shop=shop, code=code, **(boring | fields))


def make_webhook(shop: Shop, instance: str = "A9", **fields: Any) -> WebhookEvent:
    told = {"event": "order:update", "eventInstance": instance, "eventCreated": "2026-03-01T10:00:00+0100"}
    boring = {"event": "order:update", "body": json.dumps(told), "received_at": clock.now(), "digest": instance}
    with all_tenants():
        return WebhookEvent.objects.create(tenant_id=shop.tenant_id, shop=shop, instance=instance, **(boring | fields))


def make_member(tenant: Tenant, username: str) -> User:
    user = User.objects.create_user(username, f"{username}@example.com")
    Membership.objects.create(user=user, tenant=tenant)
    return user


def make_notice(tenant: Tenant, mark: str) -> Notification:
    user = make_member(tenant, f"reader-{mark}")
    return Notification.objects.create(
        tenant=tenant, user=user, type="draft_reminder", payload={"propertyName": mark}, created_at=clock.now()
    )


def make_activity(tenant: Tenant, mark: str) -> ActivityEntry:
    person = make_member(tenant, f"doer-{mark}")
    deed = {"verb": "record.created", "target_type": "record", "target_id": "7", "details": {"name": mark}}
    account_services.log_activity(**deed, at=clock.now(), tenant_id=tenant.pk, user_id=person.pk)
    with all_tenants():
        return ActivityEntry.objects.latest("id")


def make_login(tenant: Tenant, username: str) -> Login:
    person = make_member(tenant, username)
    person.set_password(username)
    person.save()
    account_services.open_login(username=username, password=username, agent="program", now=clock.now())
    return Login.objects.latest("id")


def make_mail(tenant: Tenant, subject: str, **fields: Any) -> EmailMessage:
    boring = {"key": subject, "template": "invitation", "locale": "cs", "from_email": "b@example.com"}
    mail = EmailMessage.objects.create(tenant=tenant, subject=subject, **{**boring, **fields})
    with all_tenants():
        Recipient.objects.create(tenant=tenant, mail=mail, address=f"{subject}@example.com".lower())
    return mail


def make_suppression(tenant: Tenant, mark: str, **fields: Any) -> Suppression:
    boring = {"address": f"{mark}@example.com", "reason": "bounce", "detail": mark, "created_at": clock.now()}
    return Suppression.objects.create(tenant=tenant, **{**boring, **fields})


def make_receipt(**fields: Any) -> CleanupReceipt:
    now = clock.now()
    boring = {"run": uuid7(), "rule": "read", "before": now, "count": 5, "started_at": now, "finished_at": now}
    return CleanupReceipt.objects.create(**{**boring, **fields})


def make_project(tenant: Tenant, mark: str) -> Project:
    return make_place(tenant, mark, project=mark).project


def make_place(tenant: Tenant, mark: str, *, project: str = "Family") -> Property:
    with all_tenants():
        owner = make_member(tenant, f"owner-{mark}")
        return make_property(tenant, owner=owner, name=mark, project=project)


def make_record(tenant: Tenant, mark: str, **fields: Any) -> Record:
    with all_tenants():
        place = make_place(tenant, mark)
        return make_draft(place, place.project.owner, **{"title": mark, **fields})


def make_unit(place: Property, mark: str) -> Unit:
    return Unit.objects.create(tenant_id=place.tenant_id, property=place, name=mark, created_at=clock.now())


def make_offer(tenant: Tenant, mark: str, **fields: Any) -> Invitation:
    with all_tenants():
        place = make_place(tenant, mark)
        return make_invitation(place, place.project.owner, **fields)


def make_share(tenant: Tenant, mark: str) -> ShareMember:
    with all_tenants():
        offer = make_offer(tenant, mark, status="accepted", ended_at=clock.now())
        return ShareMember.objects.create(
            tenant=tenant,
            user=make_member(tenant, f"guest-{mark}"),
            target_type=offer.target_type,
            target_id=offer.target_id,
            role="reader",
            invitation=offer,
            created_at=clock.now(),
        )


def make_change(tenant: Tenant, mark: str, **fields: Any) -> SyncItem:
    with all_tenants():
        boring = {"last_error": mark, "status": "permanently_failed", "next_retry_at": None}
        return make_sync_item(
            tenant, make_member(tenant, f"offline-{mark}"), "add_comment", {"text": mark}, **{**boring, **fields}
        )


def make_export(tenant: Tenant, mark: str, **fields: Any) -> Export:
    now = clock.now()
    boring = {"state": "ready", "size": 5, "storage_key": f"exports/{mark}", "created_at": now, "finished_at": now}
    with all_tenants():
        user = make_member(tenant, f"exports-{mark}")
        ready = {**boring, "expires_at": now + timedelta(hours=24), **fields}
        return Export.objects.create(tenant=tenant, user=user, **ready)


def make_summary(tenant: Tenant, mark: str, **fields: Any) -> WeeklySummary:
    now = clock.now()
    boring = {"week": "2026-W49", "zone": "Europe/Prague", "due_at": now, "outcome": "mailed", "created_at": now}
    with all_tenants():
        user = make_member(tenant, f"reads-{mark}")
        return WeeklySummary.objects.create(tenant=tenant, user=user, run=uuid7(), **{**boring, **fields})
