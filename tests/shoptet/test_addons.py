"""Add-ons: a shop connects itself by installing one, and leaves by taking it away; nobody else can do either."""

import json
import logging

import pytest
from django.core.management import CommandError, call_command

from modules.accounts.models import Tenant
from modules.jobs.models import Job
from modules.kernel.secrets import decrypt
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.orders.models import Order
from modules.shoptet import clients, services
from modules.shoptet.models import Addon, AddonToken, Shop, WebhookEvent
from tests.simulators.shoptet import FaultKind
from tests.simulators.shoptet.app import EXCHANGE_PATH

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def _everybody(monkeypatch, settings, live_server):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": live_server.url}
    with all_tenants():
        yield


@pytest.fixture
def addon(simulated):
    return add(simulated)


def add(simulated, *, tenant="Alice", **changes):
    values = {
        "name": "Our add-on",
        "client_id": simulated.options.client_id,
        "client_secret": simulated.options.client_secret,
        "oauth_server": simulated.url + "/action/ApiOAuthServer",
        "base_url": simulated.url,
    }
    return services.add_addon(tenant_id=Tenant.objects.get_or_create(name=tenant)[0].pk, **values | changes)


@pytest.fixture
def installed(addon, simulated, drain):
    """A shop that installed the add-on, which the vendor tells us of at the add-on's address."""
    assert simulated.install_addon(services.addon_addresses(addon).install) == 200
    drain()
    url = services.addon_addresses(addon).events
    events = ("suspend", "approve", "terminate", "uninstall")
    simulated.api.webhooks.register([{"event": f"addon:{event}", "url": url} for event in events])
    return Shop.objects.get()


def install(simulated, addon):
    return simulated.install_addon(services.addon_addresses(addon).install)


def exchanges(simulated):
    return [call.status for call in simulated.requests() if call.path == EXCHANGE_PATH]


def tell(simulated, state, event, drain):
    simulated.advance(1)
    simulated.set_addon(state, tell=f"addon:{event}")
    statuses = [delivery.status for delivery in simulated.deliver_webhooks()]
    drain()
    return statuses


def test_a_shop_that_installs_the_add_on_is_the_tenants_and_is_read(addon, simulated, drain):
    simulated.create_order()

    assert install(simulated, addon) == 200
    drain()

    shop = Shop.objects.get()
    assert (shop.tenant_id, shop.name, shop.eshop_id, shop.addon, shop.is_active) == (
        *(addon.tenant_id, "simulated-shop.example", 222651),
        *(addon, True),
    )
    assert (decrypt(shop.token_encrypted), shop.oauth_url) == (simulated.options.oauth_token, simulated.oauth_url)
    assert (shop.timezone, bool(shop.webhook_key_encrypted), Order.objects.count()) == ("Europe/Prague", True, 1)
    assert simulated.api.webhooks.has("order:create")


@pytest.mark.parametrize("code", ["stolen", "", "x" * 513, "a b", "č"])
def test_a_strangers_code_makes_no_shop(addon, simulated, code):
    url = services.addon_addresses(addon).install

    assert simulated.call_installation(url, code) == 400

    assert exchanges(simulated) == ([400] if code == "stolen" else [])
    assert (Shop.objects.count(), Job.objects.count(), AddonToken.objects.count()) == (0, 0, 0)


def test_a_code_is_good_once(addon, simulated):
    code, url = simulated.api.limits.give_code(), services.addon_addresses(addon).install

    assert [simulated.call_installation(url, code) for _ in range(2)] == [200, 400]

    assert Shop.objects.count() == 1


def test_an_address_that_nobody_gave_out_is_not_there_and_nothing_outside_is_asked(addon, simulated, client):
    unknown = "/webhooks/shoptet/addons/00000000-0000-4000-8000-000000000000/install?code=c"
    Addon.objects.update(is_active=False)

    assert client.get(unknown).status_code == 404
    assert install(simulated, addon) == 404
    assert client.post(services.addon_addresses(addon).install).status_code == 405
    assert exchanges(simulated) == []


def test_a_shop_that_installs_again_is_the_same_shop(installed, addon, simulated, drain):
    Shop.objects.update(is_master=True, name="My shop")
    tell(simulated, "uninstalled", "uninstall", drain)

    assert install(simulated, addon) == 200
    drain()

    shop = Shop.objects.get()
    assert (shop.pk, shop.name, shop.is_master, shop.is_active, shop.addon_ended_at, shop.last_error) == (
        *(installed.pk, "My shop", True, True, None, ""),
    )


def test_a_shop_whose_host_is_the_name_of_another_gets_its_number(addon, simulated):
    services.add_shop(tenant_id=addon.tenant_id, name="simulated-shop.example", base_url=simulated.url, token="t")

    install(simulated, addon)

    assert sorted(Shop.objects.values_list("name", flat=True)) == [
        "simulated-shop.example",
        "simulated-shop.example (222651)",
    ]


@pytest.mark.parametrize("fault", [FaultKind.SERVER_ERROR, FaultKind.BAD_GATEWAY, FaultKind.CUT_BODY])
def test_an_outage_of_the_oauth_server_fails_the_installation_and_stores_nothing(addon, simulated, fault):
    simulated.inject(fault, path=EXCHANGE_PATH)

    assert install(simulated, addon) == 502

    assert Shop.objects.count() == 0


def test_the_vendor_is_answered_in_time_while_its_oauth_server_hangs(addon, simulated):
    simulated.inject(FaultKind.HANG, path=EXCHANGE_PATH, seconds=20)

    assert install(simulated, addon) == 502  # the simulated vendor waits five seconds itself


def test_a_wrong_secret_is_said_so_to_whoever_looks(simulated, caplog):
    addon = add(simulated, client_secret="wrong")

    assert install(simulated, addon) == 502

    assert "check its client id and secret" in caplog.text


def test_no_secret_is_in_logs_or_jobs(addon, simulated, drain, caplog):
    caplog.set_level(logging.DEBUG)
    install(simulated, addon)
    drain()

    readable = caplog.text + json.dumps(list(Job.objects.values()), default=str) + repr(Addon.objects.values().get())
    for secret in (simulated.options.oauth_token, simulated.options.client_secret, "simulated-access-token"):
        assert secret not in readable


def test_a_suspended_shop_is_off_until_it_is_approved(installed, simulated, drain):
    assert tell(simulated, "suspended", "suspend", drain) == [200]
    shop = Shop.objects.get()
    assert (shop.is_active, shop.addon_ended_at is None, shop.last_error) == (
        *(False, False, "The add-on is suspended or was uninstalled."),
    )
    assert decrypt(shop.token_encrypted) == simulated.options.oauth_token

    tell(simulated, "installed", "approve", drain)

    shop = Shop.objects.get()
    assert (shop.is_active, shop.addon_ended_at, shop.last_error) == (True, None, "")


@pytest.mark.parametrize("event", ["uninstall", "terminate"])
def test_the_token_of_a_shop_that_left_is_forgotten(installed, simulated, drain, event):
    tell(simulated, "uninstalled", event, drain)

    shop = Shop.objects.get()
    assert (shop.is_active, shop.token_encrypted, AddonToken.objects.get().token_encrypted) == (False, "", "")
    assert WebhookEvent.objects.get().handled_at is not None


def test_an_end_that_is_told_while_the_shop_answers_ends_nothing(installed, simulated, drain):
    """Told late, or told again after a new installation."""
    tell(simulated, "installed", "uninstall", drain)

    assert Shop.objects.get().is_active


def test_an_operator_who_switched_a_shop_off_is_not_overruled(installed, simulated, drain):
    Shop.objects.update(is_active=False)

    tell(simulated, "installed", "approve", drain)

    assert not Shop.objects.get().is_active


def test_an_event_waits_while_nobody_can_say_whether_the_add_on_is_there(installed, simulated, drain):
    simulated.inject(FaultKind.SERVER_ERROR, path="/api/eshop", times=3)

    tell(simulated, "installed", "uninstall", drain)

    assert (Shop.objects.get().is_active, WebhookEvent.objects.get().handled_at) == (True, None)


def test_a_forged_event_of_an_add_on_is_refused(installed, addon, simulated, client):
    url = services.addon_addresses(addon).events
    other = services.addon_addresses(add(simulated, tenant="Bob")).events
    body = simulated.api.webhooks.body("addon:uninstall", "222651")
    signature = simulated.api.webhooks.sign(body)

    def post(url, body, signature):
        headers = {"Shoptet-Webhook-Signature": signature}
        return client.post(url, body, "application/json", headers=headers).status_code

    assert post(url, body, "0" * 40) == 404
    assert post(url, body.replace(b"222651", b"222652"), signature) == 404
    assert post(other, body, signature) == 404
    assert post(url, b"{}", signature) == 400
    assert WebhookEvent.objects.count() == 0
    assert post(url, body, signature) == 200


def test_an_add_on_of_one_tenant_is_not_anothers(addon, simulated):
    bob = Tenant.objects.create(name="Bob")
    with tenant_scope(bob.pk):
        assert Addon.objects.count() == 0

    install(simulated, addon)

    with tenant_scope(bob.pk):
        assert Shop.objects.count() == 0


def test_a_command_adds_an_add_on_and_says_what_to_enter(simulated, capsys, monkeypatch, live_server):
    monkeypatch.setenv("SHOPTET_CLIENT_SECRET", simulated.options.client_secret)
    values = {"tenant": "Alice", "name": "A", "client_id": simulated.options.client_id}
    for _ in range(2):
        call_command(
            "shoptet_add_addon", **values, url=simulated.url, oauth_server=simulated.url + "/action/ApiOAuthServer"
        )

    said, addon = capsys.readouterr().out.splitlines(), Addon.objects.get()
    start = f"{live_server.url}/webhooks/shoptet/addons/{addon.public_id}"
    assert said[-2:] == [f"Installation: {start}/install", f"Events of the add-on: {start}/events"]
    assert install(simulated, addon) == 200
    with pytest.raises(CommandError, match="https"):
        call_command("shoptet_add_addon", **values, oauth_server="http://doplnek.example")
