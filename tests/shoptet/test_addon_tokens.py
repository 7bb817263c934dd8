"""Access tokens of an add-on: one for all processes, at most five in half an hour, never in anything one can read."""

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from modules.accounts.models import Tenant
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.secrets import decrypt
from modules.kernel.tenancy import all_tenants
from modules.orders.models import Order
from modules.shoptet import clients, domain, services
from modules.shoptet.models import AddonToken, Shop, SnapshotExecution
from tests.simulators.shoptet import FaultKind, Options, SimulatedShop
from tests.simulators.shoptet.app import OAUTH_PATH
from tests.support.processes import surroundings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def _running_shop():
    with SimulatedShop(options=Options(connections=None)) as running:
        yield running


@pytest.fixture(autouse=True)
def _everybody(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    with all_tenants():
        yield


@pytest.fixture
def shop(simulated):
    return add(simulated)


def add(simulated, **changes):
    tenant, _ = Tenant.objects.get_or_create(name="Alice")
    values = {"base_url": simulated.url, "token": simulated.options.oauth_token, "oauth_url": simulated.oauth_url}
    return services.add_shop(tenant_id=tenant.pk, name="Alice's", **values | changes)


def ask(shop):
    with services.connect(shop) as client:
        return client.eshop()[0].eshop_id


def ask_in_thread(shop):
    try:
        with all_tenants():
            return ask(shop)
    finally:
        connection.close()


def fetches(simulated, *, status=200):
    return [call for call in simulated.requests() if call.path == OAUTH_PATH and call.status == status]


def test_one_token_is_fetched_and_used_by_every_client(shop, simulated):
    assert [ask(shop), ask(shop), ask(shop)] == [222651] * 3

    assert len(fetches(simulated)) == 1
    row = AddonToken.objects.get()
    token = simulated.requests()[-1].token
    assert (decrypt(row.token_encrypted), token in row.token_encrypted) == (token, False)
    assert timedelta(minutes=29) < row.ends_at - clock.now() <= domain.ACCESS_TOKEN_LIFE


def test_forty_threads_at_once_fetch_one(shop, simulated):
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask_in_thread, [shop] * 40)) == {222651}

    assert len(fetches(simulated)) == 1


def test_processes_that_ask_at_once_fetch_one(shop, simulated):
    command = [sys.executable, "manage.py", "shoptet_test", "--shop", str(shop.pk)]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=surroundings(), stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]

    assert [process.communicate(timeout=60)[0].startswith("Connected to") for process in running] == [True] * 3
    assert len(fetches(simulated)) == 1


def test_a_token_is_replaced_shortly_before_its_end(shop, simulated):
    ask(shop)
    AddonToken.objects.update(ends_at=clock.now() + timedelta(minutes=1))

    assert [ask(shop), ask(shop)] == [222651, 222651]

    assert len(fetches(simulated)) == 2


def test_a_token_that_the_shop_calls_ended_is_replaced_once_for_all(shop, simulated):
    ask(shop)
    simulated.end_access_tokens()

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(ask_in_thread, [shop] * 20)) == {222651}

    assert len(fetches(simulated)) == 2


def test_a_token_that_ends_during_a_run_is_replaced_in_it(shop, simulated):
    for _ in range(60):
        simulated.create_order()
    simulated.inject(FaultKind.HANG, path="/api/orders", seconds=0.3)

    def end(*_):
        simulated.end_access_tokens()

    services.fetch_new_orders(shop_id=shop.pk, holder="t", report=end)

    assert Order.objects.count() == 60
    assert 2 <= len(fetches(simulated)) <= 5


def test_never_more_than_five_in_half_an_hour_whatever_the_shop_says(shop, simulated):
    def ask_again(_number):
        simulated.end_access_tokens()
        try:
            return ask_in_thread(shop)
        except (clients.RateLimited, clients.InvalidToken) as error:
            return type(error)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(ask_again, range(40)))

    assert clients.RateLimited in said
    assert len(fetches(simulated)) == 5
    assert len([call for call in simulated.requests() if call.path == OAUTH_PATH]) == 5  # nor asked for


def test_the_job_waits_for_the_sixth_without_burning_an_attempt(shop, simulated, drain):
    AddonToken.objects.update(fetched=[clock.now() - timedelta(minutes=minutes) for minutes in (29, 20, 9, 2, 1)])
    services.request_orders(shop=shop)

    drain()

    job, entry = Job.objects.get(), SnapshotExecution.objects.get()
    assert (job.state, entry.status, fetches(simulated)) == ("scheduled", "waiting", [])
    assert timedelta(seconds=30) < job.run_at - clock.now() <= timedelta(minutes=1)


def test_tokens_that_somebody_else_fetched_are_waited_for(shop, simulated):
    for _ in range(5):
        simulated.api.limits.issue(simulated.options.oauth_token)

    with pytest.raises(clients.RateLimited):
        ask(shop)

    assert (len(fetches(simulated, status=403)), AddonToken.objects.get().fetched) == (1, [])


def test_an_outage_uses_no_token_up_and_a_lost_answer_does(shop, simulated):
    simulated.inject(FaultKind.SERVER_ERROR, path=OAUTH_PATH, times=6)
    for _ in range(6):
        with pytest.raises(clients.TemporaryShoptetError):
            ask(shop)
    assert AddonToken.objects.get().fetched == []
    simulated.inject(FaultKind.CUT_BODY, path=OAUTH_PATH)

    with pytest.raises(clients.TokenUncertain):
        ask(shop)

    assert len(AddonToken.objects.get().fetched) == 1
    assert ask(shop) == 222651


def test_what_a_transaction_takes_back_does_not_take_back_the_token(shop, simulated):
    with transaction.atomic():
        ask(shop)
        transaction.set_rollback(True)

    ask(shop)

    assert len(fetches(simulated)) == 1


def test_a_shop_that_does_not_know_the_add_on_says_so(simulated, drain):
    shop = add(simulated, token="another-permanent-token")
    services.request_orders(shop=shop)

    drain()

    shop.refresh_from_db()
    assert shop.last_error == (
        "The shop does not know the add-on's token. Install the add-on again and enter its token."
    )
    assert Job.objects.get().state == "failed"


def test_a_private_token_asks_for_no_other(simulated):
    shop = add(simulated, token=simulated.token, oauth_url="")

    ask(shop)

    assert (fetches(simulated), AddonToken.objects.count()) == ([], 0)


def test_a_shop_is_connected_anew_either_way(shop, simulated):
    ask(shop)

    private = add(simulated, token=simulated.token, oauth_url="")
    assert (private.pk, AddonToken.objects.count(), ask(private)) == (shop.pk, 0, 222651)

    assert ask(add(simulated)) == 222651
    assert len(fetches(simulated)) == 2


def test_an_address_for_tokens_that_would_show_the_permanent_one_is_refused(simulated):
    with pytest.raises(services.UnsafeAddress):
        add(simulated, oauth_url="http://api.example.com/action/ApiOAuthServer/getAccessToken")

    assert Shop.objects.count() == 0


@pytest.mark.parametrize("fault", [None, FaultKind.SERVER_ERROR, FaultKind.CUT_BODY])
def test_no_token_is_in_logs_arguments_or_errors(shop, simulated, drain, caplog, fault):
    caplog.set_level(logging.DEBUG)
    if fault:
        simulated.inject(fault, path=OAUTH_PATH, times=3)
    services.request_orders(shop=shop)

    drain()

    jobs = json.dumps(list(Job.objects.values()), default=str)
    entries = json.dumps(list(SnapshotExecution.objects.values()), default=str)
    for secret in (simulated.options.oauth_token, "simulated-access-token"):
        assert secret not in caplog.text + jobs + entries + repr(AddonToken.objects.values().get())


@pytest.mark.parametrize(
    "answer",
    ['{"expires_in": 1800}', '{"access_token": "a b"}', '{"access_token": "t", "expires_in": "soon"}', "[]", "<html>"],
)
def test_an_answer_that_holds_no_token_is_a_temporary_error(answer):
    with pytest.raises(clients.TokenUncertain):
        clients._tokens._read_access_token(answer.encode())


def test_tokens_count_for_half_an_hour():
    now = clock.now()
    fetched = [now - timedelta(minutes=minutes) for minutes in (31, 25, 20, 3, 2)]

    assert domain.next_access_token_at(fetched, now=now) is None
    assert domain.next_access_token_at([*fetched, now], now=now) == fetched[1] + timedelta(minutes=30)
