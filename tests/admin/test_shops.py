"""Shops: the token goes in and never comes out; the buttons do what they say."""

import httpx
import pytest

from modules.jobs.models import Job
from modules.kernel.secrets import decrypt
from modules.kernel.tenancy import all_tenants
from modules.orders.models import SalesChannel
from modules.shoptet.models import Shop
from tests.admin.factories import make_customer, make_execution, make_order, make_parked, make_shop
from tests.admin.pages import detail, listing, press, told, words
from tests.simulators.shoptet import SimulatedShop

ADD = "/admin/shoptet/shop/add/"


@pytest.fixture
def simulated():
    with SimulatedShop() as shop:
        yield shop


def form(**changes):
    return {"base_url": "https://api.example.com", "token": "", "is_active": "on", **changes}


def errors(response):
    return {field: list(found) for field, found in response.context["adminform"].form.errors.items()}


def stored():
    with all_tenants():
        return Shop.objects.get()


def test_a_new_shop_is_stored_with_its_token_encrypted_and_its_channel(root, alice):
    response = root.post(ADD, form(tenant=alice.pk, name="modry-ptak.cz", token="117453-p-1-abc"))

    shop = stored()
    assert response.status_code == 302
    assert (shop.tenant_id, shop.name, shop.is_active) == (alice.pk, "modry-ptak.cz", True)
    assert (decrypt(shop.token_encrypted), "117453" in shop.token_encrypted) == ("117453-p-1-abc", False)
    with all_tenants():
        assert SalesChannel.objects.get(pk=shop.channel_id).name == "modry-ptak.cz"


def test_the_token_is_never_shown(root, alice):
    shop = make_shop(alice, "hush")

    body = root.get(detail("shoptet_shop", shop)).content.decode()

    assert [text for text in ("token-of-hush", shop.token_encrypted) if text in body] == []


def test_a_refused_form_does_not_send_the_token_back(root, alice):
    response = root.post(ADD, form(tenant=alice.pk, name="", token="117453-p-1-abc"))

    assert "117453-p-1-abc" not in response.content.decode()


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"token": ""}, "token", "Create a private API token in Shoptet and enter it here."),
        ({"token": "with a space"}, "token", "This is not a Shoptet API token."),
        (
            {"token": "t", "base_url": "http://api.example.com"},
            "base_url",
            "The address must begin with https:// (only this machine itself may do without).",
        ),
    ],
)
def test_a_shop_that_the_service_refuses_is_refused_at_the_field(root, alice, changes, field, message):
    response = root.post(ADD, form(tenant=alice.pk, name="new", **changes))

    assert errors(response) == {field: [message]}
    with all_tenants():
        assert (Shop.objects.count(), SalesChannel.objects.count()) == (0, 0)


def test_a_name_is_taken_once_for_each_tenant(root, alice):
    shop = make_shop(alice, "taken")

    root.post(ADD, form(tenant=alice.pk, name="taken", token="another"))

    assert decrypt(Shop._base_manager.get().token_encrypted) == "token-of-taken"
    assert Shop._base_manager.get().pk == shop.pk


def test_an_empty_token_keeps_the_stored_one(root, alice):
    shop = make_shop(alice, "kept")

    root.post(detail("shoptet_shop", shop), form(is_active=""))

    assert (decrypt(stored().token_encrypted), stored().is_active) == ("token-of-kept", False)


def test_a_new_token_replaces_the_stored_one(root, alice):
    shop = make_shop(alice, "renewed")

    root.post(detail("shoptet_shop", shop), form(token="fresh"))

    assert decrypt(stored().token_encrypted) == "fresh"


def test_the_stored_token_does_not_follow_to_another_address(root, alice):
    shop = make_shop(alice)

    response = root.post(detail("shoptet_shop", shop), form(base_url="https://evil.example"))

    assert list(errors(response)) == ["token"]
    assert stored().base_url == "https://api.example.com"


def test_a_shop_is_connected_as_an_add_on_and_back(root, alice):
    shop, address = make_shop(alice), "https://partner.example.com/action/ApiOAuthServer/getAccessToken"

    root.post(detail("shoptet_shop", shop), form(token="permanent", oauth_url=address))
    assert (stored().oauth_url, decrypt(stored().token_encrypted)) == (address, "permanent")

    root.post(detail("shoptet_shop", shop), form(token="private"))
    assert (stored().oauth_url, decrypt(stored().token_encrypted)) == ("", "private")


@pytest.mark.parametrize("address", ["https://evil.example/token", "http://partner.example.com/token"])
def test_the_permanent_token_does_not_follow_to_another_address(root, alice, address):
    shop = make_shop(alice)

    response = root.post(detail("shoptet_shop", shop), form(oauth_url=address))

    assert list(errors(response)) == ["token"]
    assert stored().oauth_url == ""


def test_tenant_and_name_of_a_shop_stay(root, alice, bob):
    shop = make_shop(alice, "mine")

    root.post(detail("shoptet_shop", shop), form(tenant=bob.pk, name="theirs", token="fresh"))

    assert (stored().tenant_id, stored().name) == (alice.pk, "mine")


def test_the_connection_is_tested_with_the_stored_token(operator, alice, simulated):
    shop = make_shop(alice, base_url=simulated.url)
    with all_tenants():
        Shop.objects.update(token_encrypted=make_token(simulated.token))

    response = operator.post(press("shoptet_shop", shop, "test_connection"), follow=True)

    facts = httpx.get(f"{simulated.url}/api/eshop", headers={"Shoptet-Private-API-Token": simulated.token}).json()
    number = facts["data"]["contactInformation"]["eshopId"]
    assert told(response) == [f"Connected. Shop number {number}, currency CZK, time zone Europe/Prague."]


def make_token(token):
    from modules.kernel.secrets import encrypt

    return encrypt(token)


def test_a_refused_token_is_told_in_a_sentence(operator, alice, simulated):
    shop = make_shop(alice, base_url=simulated.url)

    response = operator.post(press("shoptet_shop", shop, "test_connection"), follow=True)

    assert told(response)[0].startswith("The shop did not answer as it should: ")
    assert "token-of-shop" not in response.content.decode()


def test_sync_now_sends_the_shops_job_once(operator, alice):
    shop = make_shop(alice, "modry-ptak.cz")

    answers = [operator.post(press("shoptet_shop", shop, "sync_orders"), follow=True) for _ in range(2)]

    job = Job.objects.get()
    assert (job.actor, job.arguments["shop_id"], job.tenant_id) == ("shoptet.fetch_new_orders", shop.pk, alice.pk)
    assert told(answers[0]) == ["The orders of modry-ptak.cz are being read; follow the job."]


def test_products_of_a_master_are_imported_by_a_click(operator, alice):
    shop = make_shop(alice, "modry-ptak.cz")
    assert "Import products now" not in words(operator.get(detail("shoptet_shop", shop)))
    with all_tenants():
        Shop.objects.update(is_master=True)
    assert "Import products now" in words(operator.get(detail("shoptet_shop", shop)))

    answers = [operator.post(press("shoptet_shop", shop, "sync_products"), follow=True) for _ in range(2)]

    job = Job.objects.get()
    assert (job.actor, job.arguments["shop_id"], job.tenant_id) == ("shoptet.import_master_products", shop.pk, alice.pk)
    assert told(answers[0]) == ["The products of modry-ptak.cz are being read; follow the job."]


@pytest.mark.parametrize(
    ("kind", "actor"), [("order", "shoptet.fetch_new_orders"), ("product", "shoptet.import_master_products")]
)
def test_a_record_set_aside_is_tried_again(operator, alice, kind, actor):
    shop = make_shop(alice)
    record = make_parked(shop, kind=kind)

    operator.post(press("shoptet_parkedrecord", record, "retry"))

    job = Job.objects.get()
    assert (job.actor, job.arguments["shop_id"]) == (actor, shop.pk)


@pytest.mark.parametrize("button", ["sync_orders", "sync_products", "test_connection"])
def test_a_viewer_presses_no_button_of_a_shop(viewer, alice, button):
    shop = make_shop(alice)

    assert viewer.post(press("shoptet_shop", shop, button)).status_code == 403
    assert Job.objects.count() == 0


@pytest.mark.parametrize("button", ["sync_orders", "test_connection"])
def test_a_button_of_a_shop_needs_a_post(root, alice, button):
    shop = make_shop(alice)

    assert root.get(press("shoptet_shop", shop, button)).status_code == 405
    assert Job.objects.count() == 0


def test_the_list_tells_each_shops_last_reading_error_and_orders(root, alice):
    shop = make_shop(alice, "broken", last_error="The token is wrong.")
    make_execution(shop)
    newest = make_execution(shop, status="error", error="The token is wrong.")
    make_order(shop, "A1")
    make_order(shop, "A2")

    row = root.get(listing("shoptet_shop")).context["cl"].result_list[0]

    assert (row.last_reading.pk, row.order_count) == (newest.pk, 2)
    assert "The token is wrong." in words(root.get(listing("shoptet_shop", "?trouble=yes")))
    assert "Shops: 0" in words(root.get(listing("shoptet_shop", "?trouble=no")))


def test_an_execution_tells_its_counts_and_its_error(root, alice):
    execution = make_execution(make_shop(alice), listed=50, fetched=12, created=9, status="error", error="Too slow.")

    text = words(root.get(detail("shoptet_snapshotexecution", execution)))

    assert [part for part in ("Listed 50", "Fetched 12", "Created 9", "Too slow.") if part not in text] == []


def test_a_record_set_aside_is_shown_as_received_with_secrets_masked(root, alice):
    record = make_parked(make_shop(alice), raw='{"code": "A9", "token": "s3cret"}')

    text = words(root.get(detail("shoptet_parkedrecord", record)))

    assert ('"code": "A9"' in text, "s3cret" in text) == (True, False)


def test_an_order_shows_its_lines_and_its_customer(root, alice):
    order = make_order(make_shop(alice), full_name="Jana Nová")
    customer = make_customer(alice, "Jana Kupující", orders=(order,))

    response = root.get(detail("orders_order", order))

    assert [part for part in ("Jana Kupující", "Thing P1", "1 ks", "121.00 CZK") if part not in words(response)] == []
    assert detail("customers_customer", customer) in response.content.decode()


def test_a_customer_shows_figures_and_orders(root, alice):
    order = make_order(make_shop(alice), "2026001")
    customer = make_customer(alice, orders=(order,))

    response = root.get(detail("customers_customer", customer))

    assert detail("orders_order", order) in response.content.decode()


@pytest.mark.parametrize("name", ["orders_order", "customers_customer", "shoptet_snapshotexecution"])
def test_nobody_writes_what_shops_and_jobs_write(root, alice, name):
    shop = make_shop(alice)
    order = make_order(shop)
    row = {
        "orders_order": order,
        "customers_customer": make_customer(alice, orders=(order,)),
        "shoptet_snapshotexecution": make_execution(shop),
    }[name]

    answers = [
        root.get(f"{listing(name)}add/").status_code,
        root.post(detail(name, row), {"code": "x"}).status_code,
        root.post(f"{listing(name)}{row.pk}/delete/", {"post": "yes"}).status_code,
    ]

    assert answers == [403, 403, 403]
