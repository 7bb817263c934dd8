import pytest

from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.orders import selectors, services
from modules.orders.domain import StoredVersion
from tests.orders.factories import at, make_channel, order_facts

pytestmark = pytest.mark.django_db


def test_stored_versions_knows_tombstones_and_leaves_out_strangers():
    with all_tenants():
        alices, bobs = make_channel(), make_channel(tenant="Bob", name="Bob's shop")
    with tenant_scope(alices.tenant_id):
        services.import_orders(
            channel_id=alices.pk,
            orders=[order_facts("A1", changed_at=None), order_facts("A2", changed_at=at("2026-03-01"))],
            fetched_at=at("2026-03-02"),
        )
        services.mark_deleted(channel_id=alices.pk, codes=["A2"], deleted_at=at("2026-03-03"))

        versions = selectors.stored_versions(channel_id=alices.pk, codes=["A1", "A2", "A3"])

    assert versions == {
        "A1": StoredVersion(None, at("2026-03-02"), is_deleted=False),
        "A2": StoredVersion(at("2026-03-01"), at("2026-03-02"), is_deleted=True),
    }
    with tenant_scope(bobs.tenant_id):
        assert selectors.stored_versions(channel_id=alices.pk, codes=["A1"]) == {}
