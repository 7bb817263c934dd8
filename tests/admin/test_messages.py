"""The screens of mails: previews, what is hidden, sending again, lifting and restoring."""

import pytest

from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.secrets import encrypt
from modules.kernel.tenancy import all_tenants
from modules.notifications.domain import LANGUAGES, MAILS
from modules.notifications.models import EmailMessage, Recipient, Suppression
from tests.admin.factories import make_mail, make_receipt, make_suppression
from tests.admin.pages import detail, listing, press, told, words

PREVIEWS = "/admin/notifications/emailmessage/templates/"


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("template", MAILS)
def test_every_mail_is_shown_in_every_language(viewer, template, locale):
    page = viewer.get(PREVIEWS, {"template": template, "locale": locale})

    assert page.status_code == 200
    assert {"cs": "Dobrý den", "en": "Hello", "pl": "Dzień dobry"}[locale] in words(page)
    assert 'sandbox=""' in page.content.decode()


@pytest.mark.parametrize("query", ["?template=other", "?locale=de", "?template=../../_page"])
def test_a_preview_that_there_is_not_is_not_found(viewer, query):
    assert viewer.get(PREVIEWS + query).status_code == 404


def test_the_previews_are_for_those_who_may_see_mails(viewer, clerk, client):
    assert [who.get(PREVIEWS).status_code for who in (viewer, clerk, client)] == [200, 403, 302]
    assert PREVIEWS in viewer.get(listing("notifications_emailmessage")).content.decode()


def test_a_mail_shows_its_recipients_and_its_text(viewer, alice):
    row = make_mail(
        alice,
        "Summary",
        template="weekly_summary",
        state="sent",
        text_encrypted=encrypt("what it says"),
        html_encrypted=encrypt("<p onclick=x>hello</p>"),
    )

    page = viewer.get(detail("notifications_emailmessage", row))

    assert ("summary@example.com" in words(page), "what it says" in words(page)) == (True, True)
    assert "&lt;p onclick=x&gt;hello" in page.content.decode()


def test_a_text_that_opens_something_is_hidden_from_operators(root, alice):
    row = make_mail(alice, "Reset", template="password_reset", text_encrypted=encrypt("https://example.com/secret"))

    page = root.get(detail("notifications_emailmessage", row))

    assert ("https://example.com/secret" in page.content.decode(), "Hidden" in words(page)) == (False, True)


def test_a_mail_is_found_by_the_address_that_it_went_to(viewer, alice):
    make_mail(alice, "First"), make_mail(alice, "Second")

    text = words(viewer.get(listing("notifications_emailmessage", "?q=second@example.com")))

    assert ("First" in text, "Second" in text) == (False, True)


@pytest.mark.parametrize("state", ["failed", "uncertain"])
def test_what_did_not_go_out_is_sent_again(operator, alice, state):
    row = make_mail(alice, "Mail", state=state)

    response = operator.post(press("notifications_emailmessage", row, "send_again"), follow=True)

    assert told(response) == ["Sent: Mail"]
    with all_tenants():
        assert EmailMessage.objects.get().state == "queued"
    assert Job.objects.get().arguments == {"mail_id": row.pk}


def test_what_went_out_is_not_sent_again(operator, alice):
    row = make_mail(alice, "Mail", state="sent")

    operator.post(press("notifications_emailmessage", row, "send_again"))

    assert Job.objects.count() == 0


def test_an_uncertain_mail_is_said_to_be_sent(operator, alice):
    row = make_mail(alice, "Mail", state="uncertain")

    response = operator.post(press("notifications_emailmessage", row, "confirm_sent"), follow=True)

    assert told(response) == ["Noted."]
    with all_tenants():
        assert (EmailMessage.objects.get().state, Recipient.objects.get().state) == ("sent", "accepted")


def test_a_suppression_is_lifted_and_that_is_undone(operator, alice):
    row = make_suppression(alice, "jana")
    name = "notifications_suppression"

    operator.post(press(name, row, "lift"))
    with all_tenants():
        lifted = Suppression.objects.get()
    page = words(operator.get(detail(name, row)))
    operator.post(press(name, row, "restore"))

    assert (lifted.lifted_at is not None, lifted.lifted_by.username) == (True, "operator")
    assert "Undo: mail no more" in page
    with all_tenants():
        assert Suppression.objects.get().lifted_at is None


def test_an_undo_after_the_address_was_suppressed_anew_changes_nothing(operator, alice):
    row = make_suppression(alice, "jana", lifted_at=clock.now())
    make_suppression(alice, "jana")

    response = operator.post(press("notifications_suppression", row, "restore"), follow=True)

    assert told(response) == ["It is not needed."]
    with all_tenants():
        assert Suppression.objects.filter(lifted_at=None).count() == 1


def test_who_may_only_look_presses_nothing(viewer, alice):
    rows = {"send_again": make_mail(alice, "Mail", state="failed"), "lift": make_suppression(alice, "jana")}
    names = {"send_again": "notifications_emailmessage", "lift": "notifications_suppression"}

    codes = [viewer.post(press(names[button], row, button)).status_code for button, row in rows.items()]

    assert codes == [403, 403]


def test_the_receipts_of_the_cleanup_are_shown(viewer, clerk):
    row = make_receipt(count=77_123)
    name = "notifications_cleanupreceipt"

    pages = [words(viewer.get(page)) for page in (listing(name), detail(name, row))]

    assert ["Read long ago" in page for page in pages] == [True, True]
    assert [clerk.get(listing(name)).status_code, viewer.post(detail(name, row)).status_code] == [403, 403]


def test_the_home_page_counts_the_readers_own_mails(viewer, root, alice, bob):
    make_mail(alice, "a", state="failed", finished_at=clock.now())
    make_mail(bob, "b", state="failed", finished_at=clock.now())
    make_mail(bob, "c", state="sent", finished_at=clock.now())

    cards = [
        {str(card.label): card.value for card in client.get("/admin/").context["cards"]} for client in (viewer, root)
    ]

    assert [card["Mails failed in 24 h"] for card in cards] == [1, 2]
