"""Shops by pipelines: green while data comes in as often as it should."""

from datetime import timedelta

import pytest

from modules.kernel import clock
from tests.admin.factories import make_execution, make_schedule, make_shop
from tests.admin.pages import listing, words

PAGE = listing("shoptet_snapshotexecution")
ERROR = {"status": "error", "error": "The shop is down."}


def cells(client, query=""):
    summary = client.get(PAGE + query).context["cl"].summary
    names = [str(name) for name in summary["pipelines"]]
    return {shop.name: dict(zip(names, row, strict=True)) for shop, row in summary["rows"]}


def read(shop, *, minutes_ago, **fields):
    at = clock.now() - timedelta(minutes=minutes_ago)
    return make_execution(shop, started_at=at, finished_at=at, **fields)


@pytest.mark.parametrize(
    ("minutes_ago", "tone", "text"),
    [(29, "green", "29 min"), (31, "amber", "31 min"), (59, "amber", "59 min"), (61, "red", "1 h 1 min")],
)
def test_age_is_measured_by_the_schedule(root, alice, minutes_ago, tone, text):
    make_schedule("orders.fetch_new", default_cron="*/15 * * * *")
    read(make_shop(alice, "main"), minutes_ago=minutes_ago)

    cell = cells(root)["main"]["Orders"]

    assert (cell.tone, str(cell.text)) == (tone, text)


def test_a_failure_after_the_last_success_is_red_and_says_why(root, alice):
    make_schedule("orders.fetch_new", default_cron="*/15 * * * *")
    shop = make_shop(alice, "main")
    read(shop, minutes_ago=10)
    read(shop, minutes_ago=5, **ERROR)

    cell = cells(root)["main"]["Orders"]

    assert (cell.tone, cell.title, str(cell.text)) == ("red", "The shop is down.", "10 min")


def test_a_schedule_that_is_off_is_gray_and_a_pipeline_of_masters_is_not_missed(root, alice):
    make_schedule("orders.fetch_new", is_enabled=False)
    read(make_shop(alice, "main", is_master=False), minutes_ago=500)

    row = cells(root)["main"]

    assert (row["Orders"].tone, str(row["Orders"].title)) == ("gray", "Its schedule is off.")
    assert (row["Products"], row["Stock"].tone, str(row["Stock"].text)) == (None, "gray", "never")


def test_it_shows_the_readers_shops_only_and_leads_to_the_shops_log(viewer, alice, bob):
    shop = make_shop(alice, "ours")
    read(shop, minutes_ago=1)
    make_shop(bob, "Secret")

    assert list(cells(viewer)) == ["ours"]
    assert "Secret" not in words(viewer.get(PAGE))
    followed = viewer.get(cells(viewer)["ours"]["Orders"].url)
    assert (followed.status_code, followed.context["cl"].result_count, followed.context["cl"].summary) == (200, 1, None)
