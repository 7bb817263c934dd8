import pytest

from modules.accounts.models import Tenant
from modules.kernel.secrets import decrypt, encrypt
from modules.kernel.tenancy import tenant_scope
from modules.orders.models import SalesChannel
from modules.shoptet import services
from modules.shoptet.clients import InvalidToken
from modules.shoptet.models import Shop


def add(tenant, *, name="Alice's shop", base_url="https://api.myshoptet.com", token="1-p-2-abc"):  # noqa: S107 -- no token of anybody
    return services.add_shop(tenant_id=tenant.pk, name=name, base_url=base_url, token=token)


def test_add_shop_keeps_the_token_encrypted(alice):
    shop = add(alice)

    assert "1-p-2-abc" not in f"{Shop.objects.values().get()}"
    assert decrypt(Shop.objects.get(id=shop.pk).token_encrypted) == "1-p-2-abc"


def test_add_shop_again_changes_address_and_token_and_keeps_the_channel(alice):
    first = add(alice)

    second = add(alice, base_url="http://127.0.0.1:8001", token="new")

    assert (second.pk, second.channel_id) == (first.pk, first.channel_id)
    assert (second.base_url, decrypt(second.token_encrypted)) == ("http://127.0.0.1:8001", "new")
    assert (Shop.objects.count(), SalesChannel.objects.count()) == (1, 1)


def test_two_tenants_may_call_their_shops_alike(alice):
    add(alice)
    bob = Tenant.objects.create(name="Bob")

    with tenant_scope(bob.pk):
        add(bob)
        assert Shop.objects.count() == 1


@pytest.mark.parametrize(
    "address",
    ["http://api.myshoptet.com", "http://127.0.0.1.example.com", "ftp://x.cz", "api.myshoptet.com", "https://", ""],
)
def test_add_shop_refuses_an_address_that_would_show_the_token(alice, address):
    with pytest.raises(services.UnsafeAddress):
        add(alice, base_url=address)

    assert Shop.objects.count() == 0


@pytest.mark.parametrize("token", ["", "with space", "line\nbreak", "č", "x" * 256])
def test_add_shop_refuses_what_no_token_can_be(alice, token):
    with pytest.raises(InvalidToken):
        add(alice, token=token)

    assert Shop.objects.count() == 0


@pytest.mark.parametrize("stored", ["", "not encrypted by us"])
def test_connect_says_when_the_token_has_to_be_entered_again(alice, stored):
    shop = add(alice)
    shop.token_encrypted = stored

    with pytest.raises(InvalidToken):
        services.connect(shop)


@pytest.mark.parametrize("token", ["no tokén", "line\nbreak"])
def test_connect_does_not_quote_a_token_that_cannot_be_sent(alice, token):
    shop = add(alice)
    shop.token_encrypted = encrypt(token)

    with pytest.raises(InvalidToken) as refusal:
        services.connect(shop)

    assert str(refusal.value) == "This is not a Shoptet API token."
