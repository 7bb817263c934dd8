"""Every address of the console, and how to find text on a page."""

import html
import re

from django.urls import reverse

from tests.admin import factories

DIARY = [
    *("drafts_project", "drafts_property", "drafts_record", "drafts_invitation", "drafts_sharemember"),
    "drafts_syncitem",
]
LISTS = [
    *("jobs_job", "jobs_failedjob", "jobs_jobschedule", "jobs_schedulefiring", "jobs_worker", "jobs_batch"),
    *("jobs_replay", "jobs_bulkoperation"),
    *("shoptet_shop", "shoptet_addon", "shoptet_snapshotexecution", "shoptet_parkedrecord", "shoptet_webhookevent"),
    *("orders_order", "customers_customer"),
    *("inventory_variantmetrics", "accounts_tenant", "accounts_user", "accounts_membership"),
    *("notifications_emailmessage", "notifications_notification", "notifications_suppression"),
    *("accounts_activityentry", "accounts_login"),
    *DIARY,
    *("reports_export", "reports_weeklysummary"),
]
DETAILS = [name for name in LISTS if name != "jobs_schedulefiring"]
OF_TENANTS = [
    *("jobs_job", "jobs_failedjob", "jobs_batch", "jobs_replay", "jobs_bulkoperation"),
    *("shoptet_shop", "shoptet_addon", "shoptet_snapshotexecution", "shoptet_parkedrecord", "shoptet_webhookevent"),
    *(
        "orders_order",
        "customers_customer",
        "inventory_variantmetrics",
        "accounts_tenant",
        "accounts_user",
        "accounts_membership",
        "notifications_emailmessage",
        "notifications_notification",
        "notifications_suppression",
        "accounts_activityentry",
        "accounts_login",
    ),
    *DIARY,
    *("reports_export", "reports_weeklysummary"),
]


SIMPLE = {
    "reports_export": factories.make_export,
    "reports_weeklysummary": factories.make_summary,
    "accounts_activityentry": factories.make_activity,
    "accounts_login": factories.make_login,
    "shoptet_addon": factories.make_addon,
    "customers_customer": factories.make_customer,
    "inventory_variantmetrics": factories.make_variant,
    "notifications_emailmessage": factories.make_mail,
    "notifications_notification": factories.make_notice,
    "notifications_suppression": factories.make_suppression,
    "drafts_project": factories.make_project,
    "drafts_property": factories.make_place,
    "drafts_record": factories.make_record,
    "drafts_invitation": factories.make_offer,
    "drafts_sharemember": factories.make_share,
    "drafts_syncitem": factories.make_change,
}
"""What makes a row of a tenant with a mark and needs nothing else."""


def listing(name, query=""):
    return reverse(f"admin:{name}_changelist") + query


def detail(name, row):
    return reverse(f"admin:{name}_change", args=[row.pk])


def press(name, row, button):
    return reverse(f"admin:{name}_{button}", args=[row.pk])


def words(response):
    """Return the page's text without tags, one space between words."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def told(response):
    """Return the messages that a redirect left behind, as text."""
    return [re.sub(r"<[^>]+>", "", str(message)) for message in response.context["messages"]]


def make_row(name, tenant, mark):
    """Return a row of `tenant` whose text on its page is `mark`."""
    if name in {"jobs_job", "jobs_failedjob"}:
        return factories.make_job("failed", tenant_id=tenant.pk, error_message=mark)
    if name in {"jobs_batch", "jobs_replay", "jobs_bulkoperation"}:
        return _make_group(name, tenant, mark)
    if name == "accounts_tenant":
        type(tenant).objects.filter(pk=tenant.pk).update(name=mark)
        return tenant
    if name in {"accounts_user", "accounts_membership"}:
        user = factories.make_staff(mark, tenants=[tenant], permissions=[])
        return user if name == "accounts_user" else user.memberships.get()
    if name in SIMPLE:
        return SIMPLE[name](tenant, mark)
    shop = factories.make_shop(tenant, mark)
    made = {
        "shoptet_shop": lambda: shop,
        "shoptet_snapshotexecution": lambda: factories.make_execution(shop),
        "shoptet_parkedrecord": lambda: factories.make_parked(shop),
        "shoptet_webhookevent": lambda: factories.make_webhook(shop),
        "orders_order": lambda: factories.make_order(shop, full_name=mark),
    }
    return made[name]()


def _make_group(name, tenant, mark):
    if name == "jobs_batch":
        return factories.make_batch(tenant_id=tenant.pk, name=mark)
    if name == "jobs_bulkoperation":
        return factories.make_bulk(tenant_ids=[tenant.pk], reason=mark)
    return factories.make_replay(tenant_ids=[tenant.pk], what=mark)


def make_any(name, tenant, mark="Mark"):
    """Return a row for any page, also those of no tenant."""
    if name == "jobs_worker":
        return factories.make_worker(hostname=mark)
    if name == "jobs_jobschedule":
        return factories.make_schedule(mark)
    if name == "jobs_schedulefiring":
        return factories.make_firing(factories.make_schedule(mark))
    return make_row(name, tenant, mark)
