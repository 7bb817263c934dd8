"""What people did, and what was deleted of it, as operators see it."""

from datetime import timedelta

from modules.accounts import services
from modules.kernel import clock
from modules.kernel.ids import uuid7
from tests.admin.factories import make_activity
from tests.admin.pages import detail, listing, words


def test_an_entry_says_who_did_what_to_what(viewer, alice):
    row = make_activity(alice, "Chalupa")

    pages = [words(viewer.get(page)) for page in (listing("accounts_activityentry"), detail(*_of(row)))]

    for page in pages:
        assert [word for word in ("record.created", "doer-Chalupa", "record 7") if word not in page] == []


def test_what_concerns_a_person_alone_is_seen_by_superusers(viewer, root, alice):
    services.log_activity(verb="login.opened", at=clock.now(), tenant_id=None, user_id=None)

    pages = [words(client.get(listing("accounts_activityentry"))) for client in (viewer, root)]

    assert ["login.opened" in page for page in pages] == [False, True]


def test_the_receipts_of_the_cleanups_are_shown(viewer, clerk, alice):
    services.log_activity(verb="a.b", at=clock.now() - timedelta(days=91), tenant_id=alice.pk, user_id=None)
    services.clean_activity(run=uuid7(), days=90, limit=10, pause_seconds=0, now=clock.now(), report=lambda _done: None)

    page = words(viewer.get(listing("accounts_cleanupreceipt")))

    assert "Activity of long ago" in page
    assert clerk.get(listing("accounts_cleanupreceipt")).status_code == 403


def _of(row):
    return "accounts_activityentry", row
