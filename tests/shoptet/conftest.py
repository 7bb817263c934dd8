from datetime import UTC, datetime, timedelta

import pytest

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import services
from tests.simulators.shoptet import SimulatedShop

YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.fixture(scope="module")
def _running_shop():
    with SimulatedShop(now=YESTERDAY) as running:
        yield running


@pytest.fixture
def simulated(_running_shop):
    """An empty simulated shop whose clock stands at yesterday until a test moves it on."""
    _running_shop.reset()
    return _running_shop


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
