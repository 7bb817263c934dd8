"""The home page: a few true numbers, each a link to what it counts."""

from datetime import timedelta

from modules.kernel import clock
from tests.admin.factories import make_job, make_parked, make_schedule, make_shop, make_worker


def cards(client):
    return {str(card.label): (card.value, str(card.note), card.url) for card in client.get("/admin/").context["cards"]}


def charts(client):
    found = client.get("/admin/").context["charts"]
    return {
        str(chart["title"]): [(str(row.label), row.value) for row in chart["rows"]]
        for chart in found
        if "rows" in chart
    }


def test_cards_count_what_runs_waits_and_failed(root):
    now = clock.now()
    make_job("running", worker_id=make_worker().pk)
    make_job("queued", run_at=now - timedelta(minutes=5))
    make_job("queued", dispatched_at=now)
    make_job("queued", crashes=1)
    make_job("failed", fingerprint="a" * 16)
    make_job("quarantined", fingerprint="b" * 16)
    make_job("failed", finished_at=now - timedelta(days=2))

    shown = cards(root)

    assert shown["Running"] == (1, "", "/admin/jobs/job/?state=running")
    assert (shown["Waiting"][0], shown["Waiting"][1][:20]) == (3, "the oldest for 5 min")
    assert shown["Failed in 24 h"] == (2, "2 causes", "/admin/jobs/failedjob/")


def test_cards_count_schedules_shops_and_records_in_trouble(root, alice):
    make_schedule("tests.good")
    make_schedule("tests.bad", problem="No actor.")
    make_shop(alice, "good")
    make_parked(make_shop(alice, "bad", last_error="No token."))

    shown = cards(root)

    assert shown["Schedule problems"][:2] == (1, "out of 2")
    assert shown["Shop errors"] == (1, "out of 2", "/admin/shoptet/shop/?trouble=yes")
    assert shown["Parked records"][0] == 1


def test_the_workers_card_counts_those_alive(root):
    now = clock.now()
    make_worker()
    make_worker(lease_until=now - timedelta(minutes=1))
    make_worker(stopped_at=now)

    assert cards(root)["Workers"][:2] == (1, "")


def test_no_worker_at_all_is_told(root):
    assert cards(root)["Workers"][:2] == (0, "nothing runs until one starts")


def test_charts_show_states_queues_and_causes(root):
    now = clock.now()
    make_job("succeeded")
    make_job("succeeded", id="00000000-0000-7000-8000-000000000000")  # sent in 1970
    make_job("queued", queue="low", dispatched_at=now)
    make_job("queued", queue="low")
    make_job("scheduled", queue="high")
    make_job("failed", error_type="KeyError")

    assert charts(root) == {
        "Jobs of the last 24 hours": [("Scheduled", 1), ("Queued", 2), ("Succeeded", 1), ("Failed", 1)],
        "Queues": [("high", 1), ("low", 2)],
        "Failed in 24 hours, by cause": [("KeyError", 1)],
    }


def test_an_empty_product_says_so(root):
    body = root.get("/admin/").content.decode()

    assert [
        text for text in ("No job was sent.", "Nothing waits and nothing runs.", "Nothing failed.") if text not in body
    ] == []
