"""Who is logged in over the API, and how an operator ends it."""

from modules.accounts.models import ActivityEntry, Login
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import make_login, make_staff
from tests.admin.pages import detail, listing, press, told, words


def test_a_superuser_ends_a_login_once(root, alice):
    login = make_login(alice, "jana")
    page = words(root.get(detail("accounts_login", login)))

    said = [told(root.post(press("accounts_login", login, "end"), follow=True)) for _ in range(2)]

    login.refresh_from_db()
    assert ("jana" in page, "Open" in page, login.tokens.get().prefix in page) == (True, True, True)
    assert (said[0], login.ending, login.tokens.filter(revoked_at=None).count()) == (
        ["The login of jana has ended."],
        "operator",
        0,
    )
    with all_tenants():
        entry = ActivityEntry.objects.get(verb="login.revoked")
    assert (entry.user.username, entry.details["by"] is not None) == ("jana", True)
    assert "Ended by an operator" in words(root.get(listing("accounts_login")))


def test_the_digest_is_on_no_page(root, alice):
    login = make_login(alice, "jana")

    text = root.get(detail("accounts_login", login)).content.decode()

    assert (login.tokens.get().digest in text, login.credential in text) == (False, False)


def test_staff_sees_colleagues_logins_and_ends_none_whatever_it_may(login, alice):
    staff = login(make_staff("staff", tenants=[alice], permissions=["accounts.view_login", "accounts.change_login"]))
    entered = make_login(alice, "jana")

    page = staff.get(detail("accounts_login", entered))
    answer = staff.post(press("accounts_login", entered, "end"))

    assert ("jana" in words(page), "End this login" in words(page), answer.status_code) == (True, False, 403)
    assert Login.objects.get().revoked_at is None
