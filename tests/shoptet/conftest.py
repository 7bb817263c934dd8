from datetime import UTC, datetime, timedelta

import pytest

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import services
from tests.simulators.shoptet import SimulatedShop

YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.fixture(scope="module")
def _open_shop():
    """Closing one takes 0.2 s."""
    with SimulatedShop(now=YESTERDAY) as shop:
        yield shop


@pytest.fixture
def simulated(_open_shop):
    """An empty simulated shop whose clock stands at yesterday until a test moves it on."""
    _open_shop.reset()
    return _open_shop


@pytest.fixture
def alice(db):
    tenant = Tenant.objects.create(name="Alice")
    with tenant_scope(tenant.pk):
        yield tenant


@pytest.fixture
def shop(alice, simulated):
    """Alice's shop, which is the simulated one."""
    return services.add_shop(tenant_id=alice.pk, name="Alice's shop", base_url=simulated.url, token=simulated.token)


@pytest.fixture
def sync(shop):
    """Read the shop once, as a run of its own unless told otherwise."""

    def run(*, holder="test", report=lambda *_: None, **options):
        return services.fetch_new_orders(shop_id=shop.pk, holder=holder, report=report, **options)

    return run
