"""How the console looks and what its sidebar leads to; modules meet the theme in `modules.kernel.console` alone."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

WHOLE = "whole"  # no permission, but to see all tenants: the page does not say whose its rows are


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    """Return a question to ask of a request: may its reader look at the page?"""
    if permission == WHOLE:
        return lambda request: bool(request.user.is_active and request.user.is_superuser and _sees_all())
    verb_less = permission.replace(".", ".{}_", 1)

    def ask(request: HttpRequest) -> bool:
        return any(request.user.has_perm(verb_less.format(verb)) for verb in ("view", "change"))

    return ask


def _sees_all() -> bool:
    from modules.kernel.console import visible_tenant_ids  # settings are read before the apps are

    return visible_tenant_ids() is None


def _item(title: Any, *, icon: str, model: str, permission: str = "") -> dict[str, Any]:
    """Return a line of the sidebar that leads to the list of `model` ("jobs.job")."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
        "permission": _may(permission or model),
    }


_NAVIGATION = [
    {
        "items": [
            {"title": _("Overview"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
            {"title": _("Wall"), "icon": "tv", "link": reverse_lazy("jobs_wall"), "permission": _may("jobs.job")},
        ]
    },
    {
        "title": _("Operations"),
        "items": [
            {
                "title": _("Queues"),
                "icon": "layers",
                "link": reverse_lazy("jobs_queues"),
                "permission": _may("jobs.job"),
            },
            _item(_("Jobs"), icon="list_alt", model="jobs.job"),
            _item(_("Failed jobs"), icon="error", model="jobs.failedjob", permission="jobs.job"),
            _item(_("Replays"), icon="replay", model="jobs.replay", permission="jobs.job"),
            _item(_("Bulk actions"), icon="checklist", model="jobs.bulkoperation", permission="jobs.job"),
            _item(_("Batches"), icon="stacks", model="jobs.batch", permission="jobs.job"),
            _item(_("Schedules"), icon="event_repeat", model="jobs.jobschedule"),
            _item(_("Workers"), icon="memory", model="jobs.worker"),
            _item(_("Alerts"), icon="notifications_active", model="jobs.alert", permission=WHOLE),
            _item(_("Alert rules"), icon="rule", model="jobs.alertrule", permission=WHOLE),
        ],
    },
    {
        "title": _("Shop data"),
        "items": [
            _item(_("Shops"), icon="storefront", model="shoptet.shop"),
            _item(_("Add-ons"), icon="extension", model="shoptet.addon"),
            _item(_("Execution log"), icon="receipt_long", model="shoptet.snapshotexecution"),
            _item(_("Parked records"), icon="inventory", model="shoptet.parkedrecord"),
            _item(_("Webhooks"), icon="webhook", model="shoptet.webhookevent"),
            _item(_("Products"), icon="sell", model="catalog.product"),
            _item(_("Orders"), icon="shopping_cart", model="orders.order"),
            _item(_("Customers"), icon="groups", model="customers.customer"),
            _item(_("Inventory"), icon="inventory_2", model="inventory.variantmetrics"),
        ],
    },
    {
        "title": _("Diary"),
        "items": [
            _item(_("Projects"), icon="workspaces", model="drafts.project"),
            _item(_("Properties"), icon="cottage", model="drafts.property"),
            _item(_("Records"), icon="edit_note", model="drafts.record"),
            _item(_("Invitations"), icon="person_add", model="drafts.invitation"),
            _item(_("Shares"), icon="group", model="drafts.sharemember"),
            _item(_("Offline changes"), icon="sync", model="drafts.syncitem"),
            _item(_("Deletions of drafts"), icon="auto_delete", model="drafts.cleanupreceipt"),
        ],
    },
    {
        "title": _("Reports"),
        "items": [
            _item(_("Data exports"), icon="folder_zip", model="reports.export"),
            _item(_("Weekly summaries"), icon="summarize", model="reports.weeklysummary"),
            _item(_("Runs of weekly summaries"), icon="receipt_long", model="reports.summaryreceipt"),
        ],
    },
    {
        "title": _("Messages"),
        "items": [
            _item(_("E-mails"), icon="mail", model="notifications.emailmessage"),
            _item(_("Notifications"), icon="notifications", model="notifications.notification"),
            _item(_("Suppressions"), icon="block", model="notifications.suppression"),
            _item(_("Cleanups"), icon="delete_sweep", model="notifications.cleanupreceipt"),
        ],
    },
    {
        "title": _("Access"),
        "items": [
            _item(_("Tenants"), icon="domain", model="accounts.tenant"),
            _item(_("Users"), icon="person", model="accounts.user"),
            _item(_("Memberships"), icon="badge", model="accounts.membership"),
            _item(_("Groups"), icon="shield_person", model="auth.group"),
            _item(_("Logins"), icon="login", model="accounts.login"),
            _item(_("Activity"), icon="footprint", model="accounts.activityentry"),
            _item(_("Cleanups"), icon="delete_sweep", model="accounts.cleanupreceipt"),
            _item(_("Audit log"), icon="history", model="admin.logentry", permission=WHOLE),
        ],
    },
]

# The theme's login form forgets the stock one's hidden "next".
LOGIN_REDIRECT_URL = "admin:index"

UNFOLD = {
    "SITE_TITLE": "Backroom",
    "SITE_HEADER": "Backroom",
    "SITE_SUBHEADER": _("the back office that runs by itself"),
    "SITE_SYMBOL": "inventory_2",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("console/icon.svg")},
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "config.dashboard.fill",
    "ENVIRONMENT": "config.dashboard.environment",
    "STYLES": [lambda _request: static("console/console.css")],
    "SCRIPTS": [
        lambda _request: static("console/live.js"),
        lambda _request: static("console/names.js"),
        lambda _request: static("console/preview.js"),
    ],
    "SIDEBAR": {"show_search": False, "navigation": _NAVIGATION},
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
}
