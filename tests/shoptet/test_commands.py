import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from modules.accounts.models import Tenant
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.secrets import decrypt
from modules.kernel.tenancy import all_tenants
from modules.orders.models import Order
from modules.shoptet import services
from modules.shoptet.management.commands import shoptet_snapshot
from modules.shoptet.models import Shop, SnapshotExecution
from tests.simulators.shoptet import TokenState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def said(*command, **options):
    out = io.StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue().strip()


@pytest.fixture
def added(simulated, monkeypatch):
    monkeypatch.setenv("SHOPTET_TOKEN", simulated.token)
    for _ in range(2):
        said("shoptet_add_shop", "--tenant", "Demo", "--name", "CDNOW", "--url", simulated.url)
    with all_tenants():
        return Shop.objects.get()


def test_add_shop_makes_tenant_and_shop_once(added, simulated):
    assert (Tenant.objects.get().name, added.name, added.base_url) == ("Demo", "CDNOW", simulated.url)
    assert decrypt(added.token_encrypted) == simulated.token


def test_add_shop_reads_the_token_from_a_file(db, tmp_path):
    (tmp_path / "token").write_text("1-p-2-file\n")

    said("shoptet_add_shop", "--tenant", "T", "--name", "S", "--token-file", str(tmp_path / "token"))

    with all_tenants():
        assert decrypt(Shop.objects.get().token_encrypted) == "1-p-2-file"


def test_add_shop_connects_as_an_add_on(simulated, monkeypatch):
    monkeypatch.setenv("SHOPTET_TOKEN", simulated.options.oauth_token)
    said(
        *("shoptet_add_shop", "--tenant", "T", "--name", "S", "--url", simulated.url),
        *("--oauth-url", simulated.oauth_url),
    )

    with all_tenants():
        shop = Shop.objects.get()
    assert said("shoptet_test", shop=shop.pk).startswith("Connected to ")
    assert simulated.requests()[-1].token.startswith("222651-a-1")


def test_add_shop_without_a_token_says_where_to_put_it(db, monkeypatch):
    monkeypatch.delenv("SHOPTET_TOKEN", raising=False)

    with pytest.raises(CommandError, match="SHOPTET_TOKEN"):
        said("shoptet_add_shop", "--tenant", "T", "--name", "S")

    assert Tenant.objects.count() == 0


def test_test_says_who_the_shop_is(added):
    assert said("shoptet_test", "--shop", str(added.pk)).endswith(": CZK, 5 order statuses.")


def test_test_says_what_is_wrong(added, simulated):
    simulated.set_token(simulated.token, TokenState.EXPIRED)

    with pytest.raises(CommandError, match="The shop refuses the API token"):
        said("shoptet_test", "--shop", str(added.pk))


def test_sync_sends_a_job_and_a_second_time_names_the_same(added):
    first, second = (said("shoptet_sync", "orders", "--shop", "all") for _ in range(2))

    assert first == second == f"CDNOW: job {Job.objects.get().id} is sent."


def test_sync_now_reads_here(added, simulated):
    simulated.create_order()

    line = said("shoptet_sync", "orders", "--shop", str(added.pk), now=True)

    assert line == "CDNOW: 1 created, 0 updated, 0 deleted, 0 unchanged, 0 parked"
    with all_tenants():
        assert Order.objects.count() == 1


@pytest.mark.parametrize("which", ["999", "x"])
def test_sync_of_an_unknown_shop_is_refused(added, which):
    with pytest.raises(CommandError, match="There is no shop"):
        said("shoptet_sync", "orders", "--shop", which)


def test_totals_are_counted_from_the_orders(added, simulated, drain):
    simulated.create_order()
    simulated.create_order({"email": None})
    simulated.cancel_order(simulated.create_order({"email": "c@x.cz"}))
    said("shoptet_sync", "orders", "--shop", "all")
    drain()

    assert json.loads(said("customers_totals", json=True)) == {
        "orders": 3,
        "customers": 2,
        "revenue": "484.00",
        "linked": 2,
        "unlinked": 1,
    }


@pytest.fixture
def reachable(added, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": "http://127.0.0.1:9"}
    return added


def test_snapshot_begins_one_and_a_second_time_names_the_same(reachable):
    first, second = (said("shoptet_snapshot", "orders", "--shop", str(reachable.pk)) for _ in range(2))

    with all_tenants():
        entry = SnapshotExecution.objects.get()
    assert first == f"CDNOW: snapshot {entry.pk} is asked for."
    assert second == f"CDNOW: snapshot {entry.pk} goes on."


@pytest.mark.slow
def test_snapshot_waits_until_all_is_in(reachable, simulated, drain, monkeypatch):
    simulated.create_order()
    monkeypatch.setattr(shoptet_snapshot.time, "sleep", lambda _seconds: work_on(drain))

    text = said("shoptet_snapshot", "orders", "--shop", str(reachable.pk), "--wait")

    assert text.splitlines()[-1] == "CDNOW: 1 created, 0 updated, 0 unchanged, 0 parked"


def work_on(drain):
    drain()
    with all_tenants():
        services.watch_snapshots(now=clock.now() + timedelta(hours=1))
    drain()


def test_snapshot_that_fails_ends_the_wait_with_its_reason(reachable, simulated, drain, monkeypatch):
    simulated.set_token(simulated.token, TokenState.EXPIRED)
    monkeypatch.setattr(shoptet_snapshot.time, "sleep", lambda _seconds: work_on(drain))

    with pytest.raises(CommandError, match="The shop refuses the API token"):
        said("shoptet_snapshot", "orders", "--shop", str(reachable.pk), "--wait")


def test_snapshot_rehearsed_begins_nothing(reachable, simulated):
    line = said("shoptet_snapshot", "orders", "--shop", str(reachable.pk), "--dry-run")

    assert line.startswith("CDNOW: orders would be asked for; told at http://127.0.0.1:9/webhooks/shoptet/")
    assert Job.objects.count() == 0
    assert [request.path for request in simulated.requests()] == ["/api/eshop"]


def test_snapshot_rehearsed_says_what_is_missing(added):
    with pytest.raises(CommandError, match="Set PUBLIC_URL"):
        said("shoptet_snapshot", "orders", "--shop", str(added.pk), "--dry-run")


@pytest.mark.parametrize("command", [("shoptet_snapshot", "orders"), ("shoptet_webhooks",)])
def test_an_unknown_shop_is_refused_by_name(db, command):
    with pytest.raises(CommandError, match="There is no shop"):
        said(*command, "--shop", "999")


def test_webhooks_are_registered_and_shown_and_the_key_renewed(reachable, simulated):
    text = said("shoptet_webhooks", "--shop", str(reachable.pk))
    key = simulated.api.webhooks.key

    said("shoptet_webhooks", "--shop", str(reachable.pk), "--renew-key")

    assert text.splitlines()[0] == f"job:finished   http://127.0.0.1:9/webhooks/shoptet/{reachable.public_id}"
    assert [line.split()[0] for line in text.splitlines()[3:]] == ["order:update", "stock:movement"]
    assert simulated.api.webhooks.key != key


@pytest.fixture
def master(added, simulated):
    """A master shop beside the one that was added."""
    said("shoptet_add_shop", "--tenant", "Demo", "--name", "Master", "--url", simulated.url, "--master")
    with all_tenants():
        return Shop.objects.get(name="Master")


def test_sync_products_sends_jobs_for_masters_alone(added, master):
    out = said("shoptet_sync", "products", "--shop", "all")

    job = Job.objects.get()
    assert (job.actor, job.queue, job.arguments["shop_id"]) == ("shoptet.import_master_products", "import", master.pk)
    assert str(job.pk) in out
    with pytest.raises(CommandError, match="not a master shop"):
        said("shoptet_sync", "products", "--shop", str(added.pk), "--now")


def test_sync_products_now_reads_here_and_has_its_targets_filled(added, master, simulated):
    simulated.products.create()
    said(
        *("shoptet_add_shop", "--tenant", "Demo", "--name", "CDNOW", "--url", simulated.url),
        *("--filled-from", str(master.pk)),
    )

    assert "1 created" in said("shoptet_sync", "products", "--shop", str(master.pk), "--now")

    assert Job.objects.values_list("actor", "arguments").get() == ("shoptet.prefill_target", {"shop_id": added.pk})
