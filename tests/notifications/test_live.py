"""What happens to a person is told at once over real HTTP, to nobody else, and goes on after a broken line."""

import json
import threading
import time
from datetime import timedelta

import httpx
import pytest
from django.db import connection, transaction

from modules.accounts import services as accounts
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.notifications import selectors, services
from modules.notifications.actors import prune_events
from modules.notifications.api import _live
from modules.notifications.domain import Kind
from modules.notifications.domain.live import Position
from modules.notifications.models import LiveEvent
from modules.notifications.services import Live, Notice
from tests.notifications.conftest import make_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def _hasty(settings, monkeypatch):
    """Ask often, and end soon."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "LIVE_SECONDS": 1}
    monkeypatch.setattr(_live, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(_live, "HEARTBEAT_SECONDS", 0.2)


@pytest.fixture
def listen(live_server):
    """Return what a person is told until the stream ends."""

    def listened(user, last="", tenant=None, while_open=lambda: None):
        headers = {"Authorization": f"Bearer {key_of(user)}", **({"Last-Event-ID": last} if last else {})}
        headers |= {"Backroom-Tenant": str(tenant.pk)} if tenant else {}
        with httpx.stream("GET", f"{live_server.url}/api/events", headers=headers, timeout=10) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["Content-Type"] == "text/event-stream"
            pieces = answer.iter_text()
            text = next(pieces)
            while_open()
            return text + "".join(pieces)

    return listened


def key_of(user):
    return accounts.open_login(username=user.username, password="secret", agent="", now=clock.now()).access


def tell(tenant, user, number=1):
    write(tenant, user, number)
    settle()


def settle():
    """Wait until all that began before is over: tests beside this one have their transactions in the same cluster."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        [present] = cursor.fetchone()
    until = time.monotonic() + 60
    while selectors.live_now().transaction < present and time.monotonic() < until:
        time.sleep(0.05)


def write(tenant, user, number=1):
    notice = Notice(user.pk, Kind.DRAFT_REMINDER, {"number": number})
    services.notify_many(tenant_id=tenant.pk, notices=[notice], now=clock.now())


def told(text):
    """Return the events in a stream's text: their place, type and data."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


def numbers(text):
    return [data["payload"]["number"] for _id, _event, data in told(text)]


def test_a_notice_comes_while_one_listens_and_only_later_ones_after_it(alice, jana, listen):
    tell(alice, jana, 0)  # before anybody listened

    text = listen(jana, while_open=lambda: [tell(alice, jana, number) for number in (1, 2)])

    (first, kind, data), (_last, _kind, _data) = told(text)
    assert (kind, data["type"], numbers(text)) == ("notification", "draft_reminder", [1, 2])
    assert selectors.notices().filter(pk=data["id"], user=jana).exists()
    tell(alice, jana, 3)
    assert numbers(listen(jana, last=first)) == [2, 3]
    assert text.startswith("retry: 2000\nid: ")
    assert _live.HEARTBEAT in text


def test_one_who_heard_nothing_goes_on_from_where_the_stream_began(alice, jana, listen):
    text = listen(jana)
    place = text.partition("id: ")[2].partition("\n")[0]
    tell(alice, jana)

    assert (told(text), numbers(listen(jana, last=place))) == ([], [1])


def test_nobody_else_hears_it(alice, bob, jana, listen):
    petr, stranger = make_member(alice, "petr"), make_member(bob, "stranger")
    both = make_member(bob, "both")
    accounts.admit_guest(tenant_id=alice.pk, user_id=both.pk)
    heard = []

    def speak():
        tell(alice, jana)
        tell(alice, both)

    for user, tenant in ((petr, None), (stranger, None), (both, bob), (both, alice)):
        heard.append(len(told(listen(user, last="1-0", tenant=tenant, while_open=speak))))

    assert heard[:3] == [0, 0, 0]
    assert heard[3] == 4  # what the guest was told here, from the beginning on


@pytest.mark.parametrize("last", ["nonsense", "999999999999999999-1", "1", "-1-1", "9" * 40 + "-1"])
def test_a_place_that_is_none_of_ours_begins_now(alice, jana, listen, last):
    tell(alice, jana)

    assert told(listen(jana, last=last)) == []


def test_what_is_committed_late_is_told_all_the_same_and_in_order(alice, jana):
    start = selectors.live_now()
    is_written, may_commit = threading.Event(), threading.Event()

    def slow():
        with all_tenants(), transaction.atomic():
            write(alice, jana, 1)
            is_written.set()
            may_commit.wait(10)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    is_written.wait(10)
    write(alice, jana, 2)
    before = selectors.live_events(user_id=jana.pk, after=start)
    may_commit.set()
    writer.join(10)
    settle()
    after = selectors.live_events(user_id=jana.pk, after=start)

    assert before == []  # the later one waits for the earlier one
    assert [event.payload["payload"]["number"] for event in after] == [1, 2]


def test_when_all_seats_are_taken_one_is_told_what_there_is_and_others_are_served(alice, jana, listen, live_server):
    petr, late = make_member(alice, "petr"), make_member(alice, "late")
    first = threading.Barrier(4, timeout=10)

    def hold(user):
        listen(user, while_open=first.wait)
        connection.close()

    streams = [threading.Thread(target=hold, args=[user], daemon=True) for user in (jana, jana, petr)]
    for stream in streams:
        stream.start()
    first.wait()
    tell(alice, late)

    begun = time.monotonic()
    text = listen(late, last="1-0")
    assert httpx.get(f"{live_server.url}/health/live").status_code == 200

    assert time.monotonic() - begun < 0.9  # it did not last as long as a stream
    assert (text.startswith("retry: 10000\n"), numbers(text)) == (True, [1])
    for stream in streams:
        stream.join(10)
    assert _live.seats._taken.total() == 0


def test_one_person_cannot_take_all_seats(settings):
    seats = _live.Seats()

    with seats.seat(1) as first, seats.seat(1) as second, seats.seat(1) as third, seats.seat(2) as other:
        assert (first, second, third, other) == (True, True, False, True)
        with seats.seat(3) as late:
            assert late is False
    with seats.seat(1) as again:
        assert again is True


def test_without_a_token_or_by_another_method_nothing_opens(alice, jana, live_server):
    url = f"{live_server.url}/api/events"
    _token, program = accounts.create_token(tenant_id=alice.pk, name="x", scopes=["notifications:read"])

    answers = [
        httpx.get(url),
        httpx.get(url, headers={"Authorization": f"Bearer {program}"}),
        httpx.put(url, headers={"Authorization": f"Bearer {key_of(jana)}"}),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 405]
    assert answers[0].headers["Content-Type"] == "application/problem+json"


def test_a_thousand_at_once_are_told_page_by_page(alice, jana):
    start = selectors.live_now()
    services.announce(tenant_id=alice.pk, events=[Live(jana.pk, "x", {"n": n}) for n in range(250)], now=clock.now())
    settle()

    heard, place = [], start
    while events := selectors.live_events(user_id=jana.pk, after=place):
        heard += [event.payload["n"] for event in events]
        place = Position(events[-1].transaction, events[-1].pk)

    assert heard == list(range(250))


def test_what_is_rolled_back_was_never_told(alice, jana):
    start = selectors.live_now()
    with pytest.raises(RuntimeError), transaction.atomic():
        write(alice, jana)
        raise RuntimeError

    assert selectors.live_events(user_id=jana.pk, after=start) == []


def test_old_ones_go(alice, jana, drain):
    week = clock.now() - timedelta(days=7)
    for at in (week - timedelta(minutes=1), week + timedelta(hours=1)):
        services.announce(tenant_id=alice.pk, events=[Live(jana.pk, "x", {})], now=at)
    prune_events.send()

    drain()

    assert LiveEvent.objects.get().created_at == week + timedelta(hours=1)
