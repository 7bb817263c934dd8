"""People are told inside the product, as far as they want to be."""

import pytest
from django.core.signing import Signer
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from modules.kernel import clock
from modules.notifications import selectors, services
from modules.notifications.domain import MAILS, Channel, Kind
from modules.notifications.models import LiveEvent, Notification, Preference
from modules.notifications.services import NoSuchWay, NotAMember, Notice, WayOut, read_way_out
from tests.notifications.conftest import make_member

pytestmark = pytest.mark.django_db

PAYLOAD = {"recordId": "7", "propertyName": "Chalupa", "daysOld": 3}


def tell(tenant, *users, kind=Kind.DRAFT_REMINDER):
    notices = [Notice(user.pk, kind, PAYLOAD) for user in users]
    return services.notify_many(tenant_id=tenant.pk, notices=notices, now=clock.now())


def switch(tenant, user, kind, channel, is_on=False):
    services.set_preferences(tenant_id=tenant.pk, user_id=user.pk, wanted={(kind, channel): is_on}, now=clock.now())


def test_a_member_is_told(alice, jana):
    assert services.notify(tenant_id=alice.pk, user_id=jana.pk, kind=Kind.SYNC_FAILED, payload=PAYLOAD, now=clock.now())

    row = Notification.objects.get()
    assert (row.tenant_id, row.user_id, row.type, row.payload, row.read_at) == (
        alice.pk,
        jana.pk,
        "sync_failed",
        PAYLOAD,
        None,
    )


def test_who_is_no_member_is_told_nothing_and_nobody_else_either(alice, bob, jana):
    stranger = make_member(bob, "stranger")

    with pytest.raises(NotAMember, match=str(stranger.pk)):
        tell(alice, jana, stranger)

    assert Notification.objects.count() == 0


def test_what_somebody_switched_off_in_one_tenant_is_on_in_another(alice, bob, jana):
    make_member(bob, "petr")
    bob_too = type(jana.memberships.get()).objects.create(user=jana, tenant=bob)
    switch(alice, jana, Kind.DRAFT_REMINDER, Channel.IN_APP)

    assert (tell(alice, jana), tell(bob, bob_too.user)) == (0, 1)


def test_many_are_told_with_as_many_questions_as_one(alice):
    people = [make_member(alice, f"user{number}") for number in range(5)]
    counts = []
    for some in (people[:1], people):
        with CaptureQueriesContext(connection) as captured:
            tell(alice, *some)
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_what_was_read_stays_read_since_the_first_time(alice, jana):
    tell(alice, jana, jana)
    first, second = Notification.objects.order_by("id")
    now = clock.now()

    assert services.mark_read(notification_ids=[first.pk], now=now) == 1
    assert services.mark_read(notification_ids=[first.pk], now=clock.now()) == 0

    first.refresh_from_db(), second.refresh_from_db()
    assert (first.read_at, second.read_at) == (now, None)


def test_all_read_is_all_that_was_seen(alice, jana):
    petr = make_member(alice, "petr")
    tell(alice, jana, jana, petr)
    seen = Notification.objects.filter(user=jana).order_by("id").last().pk
    tell(alice, jana)

    done = services.mark_all_read(tenant_id=alice.pk, user_id=jana.pk, until_id=seen, now=clock.now())

    assert (done, Notification.objects.filter(read_at=None).count()) == (2, 2)


def test_a_preference_is_one_row_however_often_it_changes(alice, jana):
    for is_on in (False, True, False):
        switch(alice, jana, Kind.DRAFT_EXPIRING, Channel.EMAIL, is_on)

    assert Preference.objects.get().is_on is False
    wanted = selectors.preferences(tenant_id=alice.pk, user_id=jana.pk)
    assert wanted[(Kind.DRAFT_EXPIRING, Channel.EMAIL)] is False
    assert wanted[(Kind.DRAFT_EXPIRING, Channel.IN_APP)] is True
    assert len(wanted) == 10


def test_a_way_that_there_is_not_is_refused(alice, jana):
    with pytest.raises(NoSuchWay, match="weekly_summary is not told by in_app; it is by: email"):
        switch(alice, jana, Kind.WEEKLY_SUMMARY, Channel.IN_APP)


def test_strangers_have_no_preferences_here(alice, bob):
    with pytest.raises(NotAMember):
        switch(alice, make_member(bob, "stranger"), Kind.DRAFT_EXPIRING, Channel.EMAIL)


# --- unsubscribing ------------------------------------------------------------------------------------------------


@pytest.fixture
def address(alice, jana, settings):
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://backroom.example"}
    url = WayOut(alice.pk, jana.pk, Kind.WEEKLY_SUMMARY).url
    assert url.startswith("https://backroom.example/unsubscribe/")
    return url.removeprefix("https://backroom.example")


def is_wanted(alice, jana):
    return selectors.wants(tenant_id=alice.pk, user_id=jana.pk, kind=Kind.WEEKLY_SUMMARY, channel=Channel.EMAIL)


def test_a_mail_program_unsubscribes_with_one_post(alice, jana, address):
    body = "List-Unsubscribe=One-Click"

    for _ in range(2):
        answer = Client(enforce_csrf_checks=True).post(address, body, "application/x-www-form-urlencoded")
        assert (answer.status_code, is_wanted(alice, jana)) == (200, False)

    assert Preference.objects.count() == 1


def test_a_scanner_that_follows_the_link_unsubscribes_nobody(alice, jana, address):
    page = Client().get(address)

    assert (page.status_code, is_wanted(alice, jana)) == (200, True)
    assert '<form method="post">' in page.content.decode()
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_speaks_the_readers_language_and_leads_back(alice, jana, address):
    page = Client().post(address).content.decode()
    assert ('lang="cs"' in page, "Tyto e-maily už nebudete dostávat." in page) == (True, True)

    Client().post(address, {"again": "1"})

    assert is_wanted(alice, jana) is True


def test_the_way_out_switches_off_nothing_else(alice, jana, address):
    Client().post(address)

    wanted = selectors.preferences(tenant_id=alice.pk, user_id=jana.pk)
    assert [way for way, is_on in wanted.items() if not is_on] == [(Kind.WEEKLY_SUMMARY, Channel.EMAIL)]


@pytest.mark.parametrize("change", ["x", "", ":", "A" * 30])
def test_a_changed_address_opens_nothing(alice, jana, address, change):
    forged = address[:-4] + change

    assert [Client().get(forged).status_code, Client().post(forged).status_code] == [404, 404]
    assert is_wanted(alice, jana) is True


def test_another_ones_number_in_the_address_opens_nothing(alice, jana, bob, address):
    other = make_member(alice, "petr")
    forged = address.replace(f".{jana.pk}.", f".{other.pk}.")

    assert (forged != address, Client().post(forged).status_code) == (True, 404)
    assert Preference.objects.count() == 0


def test_a_token_of_something_else_is_no_way_out(alice, jana):
    assert read_way_out(Signer(salt="other").sign(f"{alice.pk}.{jana.pk}.weekly_summary")) is None


def test_who_has_left_the_tenant_unsubscribes_from_nothing(alice, jana, address):
    jana.memberships.all().delete()

    assert Client().post(address).status_code == 404


def test_the_mail_says_the_way_out_as_mail_programs_read_it(alice, jana, settings):
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://backroom.example"}
    with transaction.atomic():
        mail = services.send_email(
            tenant_id=alice.pk,
            key="week",
            template="weekly_summary",
            to=[jana.email],
            values=MAILS["weekly_summary"].sample,
            user_id=jana.pk,
        )

    url = WayOut(alice.pk, jana.pk, Kind.WEEKLY_SUMMARY).url
    assert mail.headers == {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def live(tenant):
    return list(LiveEvent.objects.filter(tenant=tenant).order_by("id").values_list("user_id", "type", "payload"))


def test_what_is_new_of_a_tenant_is_told_to_its_members_and_to_no_guest(alice, bob, jana):
    make_member(bob, "stranger")
    guest, gone = make_member(alice, "guest"), make_member(alice, "gone", is_active=False)
    guest.memberships.update(role="guest")

    services.announce_to_members(tenant_id=alice.pk, type="import", payload={"created": 2}, now=clock.now())

    assert live(alice) == [(jana.pk, "import", {"created": 2})]
    assert live(bob) == []
    assert gone.memberships.exists()
