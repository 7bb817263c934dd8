"""Add-ons: the secret goes in, never comes out, and follows to no other server."""

import pytest

from modules.kernel.secrets import decrypt
from modules.kernel.tenancy import all_tenants
from modules.shoptet.models import Addon
from tests.admin.factories import make_addon, make_shop, make_staff
from tests.admin.pages import detail, listing, words

ADD = "/admin/shoptet/addon/add/"
SERVER = "https://partner.example.com/action/ApiOAuthServer"


def form(**changes):
    facts = {"client_id": "our-client", "client_secret": "", "oauth_server": SERVER, "is_active": "on"}
    return {**facts, "base_url": "https://api.example.com", **changes}


def errors(response):
    return {field: list(found) for field, found in response.context["adminform"].form.errors.items()}


def stored():
    with all_tenants():
        return Addon.objects.get()


def test_a_new_add_on_is_stored_with_its_secret_encrypted(root, alice):
    response = root.post(ADD, form(tenant=alice.pk, name="Ours", client_secret="hush-hush"))

    addon = stored()
    assert response.status_code == 302
    assert (addon.tenant_id, addon.name, addon.client_id, addon.oauth_server) == (
        alice.pk,
        "Ours",
        "our-client",
        SERVER,
    )
    assert (decrypt(addon.client_secret_encrypted), "hush" in addon.client_secret_encrypted) == ("hush-hush", False)


def test_an_add_on_needs_no_secret(root, alice):
    root.post(ADD, form(tenant=alice.pk, name="Ours"))

    assert (stored().client_secret_encrypted, stored().is_active) == ("", True)


def test_the_secret_is_never_shown(root, alice, settings):
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": "https://we.example.com"}
    addon = make_addon(alice, "hush")

    body = root.get(detail("shoptet_addon", addon)).content.decode()

    assert [text for text in ("secret-of-hush", addon.client_secret_encrypted) if text in body] == []
    assert [place for place in ("install", "events") if f"{addon.public_id}/{place}" not in body] == []


def test_a_refused_form_does_not_send_the_secret_back(root, alice):
    response = root.post(ADD, form(tenant=alice.pk, name="", client_secret="hush-hush"))

    assert (response.status_code, "hush-hush" in response.content.decode()) == (200, False)


def test_without_a_public_address_the_page_says_what_to_set(root, alice, settings):
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": ""}

    assert "Set PUBLIC_URL" in words(root.get(detail("shoptet_addon", make_addon(alice))))


@pytest.mark.parametrize("field", ["oauth_server", "base_url"])
def test_an_address_in_the_clear_is_refused_at_the_field(root, alice, field):
    response = root.post(ADD, form(tenant=alice.pk, name="Ours", **{field: "http://partner.example.com"}))

    assert list(errors(response)) == [field]
    with all_tenants():
        assert Addon.objects.count() == 0


def test_an_empty_secret_keeps_the_stored_one(root, alice):
    addon = make_addon(alice, "kept")

    root.post(detail("shoptet_addon", addon), form(client_id="renewed", is_active=""))

    assert (stored().client_id, stored().is_active) == ("renewed", False)
    assert decrypt(stored().client_secret_encrypted) == "secret-of-kept"


def test_a_new_secret_replaces_the_stored_one(root, alice):
    root.post(detail("shoptet_addon", make_addon(alice)), form(client_secret="fresh"))

    assert decrypt(stored().client_secret_encrypted) == "fresh"


def test_the_stored_secret_does_not_follow_to_another_server(root, alice):
    addon = make_addon(alice)

    response = root.post(detail("shoptet_addon", addon), form(oauth_server="https://evil.example"))

    assert list(errors(response)) == ["client_secret"]
    assert stored().oauth_server == SERVER


def test_tenant_and_name_of_an_add_on_stay(root, alice, bob):
    addon = make_addon(alice, "mine")

    root.post(detail("shoptet_addon", addon), form(tenant=bob.pk, name="theirs", client_id="renewed"))

    assert (stored().tenant_id, stored().name, stored().client_id) == (alice.pk, "mine", "renewed")


def test_staff_cannot_add_an_add_on_to_a_foreign_tenant(alice, bob, login):
    client = login(make_staff("adder", tenants=[alice], permissions=["shoptet.add_addon", "shoptet.view_addon"]))

    response = client.post(ADD, form(tenant=bob.pk, name="theirs"))

    assert list(errors(response)) == ["tenant"]


def test_who_may_look_may_not_change_and_nobody_deletes(root, viewer, alice):
    addon = make_addon(alice)
    delete = detail("shoptet_addon", addon).replace("/change/", "/delete/")

    answers = [
        viewer.post(detail("shoptet_addon", addon), form(client_id="theirs")),
        root.post(delete, {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert stored().client_id == "our-client"


def test_the_list_counts_the_shops_that_have_it(root, alice):
    addon = make_addon(alice)
    for name in ("one", "two", "left"):
        make_shop(alice, name, addon=addon, addon_ended_at=addon.created_at if name == "left" else None)

    assert root.get(listing("shoptet_addon")).context["cl"].result_list[0].shop_count == 2
