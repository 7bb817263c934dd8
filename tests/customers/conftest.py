import pytest

from modules.kernel.tenancy import all_tenants, tenant_scope
from tests.orders.factories import make_channel


@pytest.fixture
def channel(db):
    """Alice's shop, with her tenant in scope."""
    with all_tenants():
        alices = make_channel()
    with tenant_scope(alices.tenant_id):
        yield alices
