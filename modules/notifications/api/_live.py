"""`GET /api/events`: what happens to a person in a tenant, as it happens, by server-sent events.

A stream takes a thread of the web server. So there are a few of them at most, for each person fewer, and none lasts
long: a client asks for the next one by itself and goes on from the last event. Who comes when all are taken is told
what there is and asks again: events are late then, and nothing is lost.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from modules.kernel.problems import Problem
from modules.kernel.tenancy import tenant_scope
from modules.notifications import selectors
from modules.notifications.domain.live import HEARTBEAT, Position, frame, greeting
from modules.notifications.models import LiveEvent

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
RETRY_SECONDS = 2.0
RETRY_WHEN_FULL_SECONDS = 10.0


class Seats:
    """How many streams this process has open, in all and for each person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[int] = Counter()

    @contextmanager
    def seat(self, user_id: int) -> Iterator[bool]:
        """Yield whether there was a free one, and keep it meanwhile."""
        is_seated = self._take(user_id)
        try:
            yield is_seated
        finally:
            if is_seated:
                self._leave(user_id)

    def _take(self, user_id: int) -> bool:
        most, most_each = settings.NOTIFICATIONS["LIVE_STREAMS"], settings.NOTIFICATIONS["LIVE_STREAMS_EACH"]
        with self._lock:
            if self._taken.total() >= most or self._taken[user_id] >= most_each:
                return False
            self._taken[user_id] += 1
            return True

    def _leave(self, user_id: int) -> None:
        with self._lock:
            self._taken[user_id] -= 1
            self._taken += Counter()  # forget who has none


seats = Seats()


class Listener(Protocol):
    """A person in a tenant."""

    tenant_id: int
    user_id: int | None


def live_events(opens: Callable[[HttpRequest], Listener | None]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return the view that sends the events of whom `opens` lets in, as they happen, from `Last-Event-ID` on.

    `opens` returns None for nobody, and may raise Problem.
    """

    @csrf_exempt  # it changes nothing, and a program that uses another method is to be told so as JSON
    def view(request: HttpRequest) -> HttpResponseBase:
        try:
            listener = _let_in(request, opens)
        except Problem as problem:
            return problem.as_response()
        response = StreamingHttpResponse(_stream(listener, _start(request)), content_type="text/event-stream")
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"  # nginx would keep events back until it has a page of them
        return response

    return view


def _let_in(request: HttpRequest, opens: Callable[[HttpRequest], Listener | None]) -> Listener:
    if request.method != "GET":
        raise Problem(405, _("This address takes %(methods)s.") % {"methods": "GET"}, headers={"Allow": "GET"})
    listener = opens(request)
    if listener is None:
        detail = _("Send the header Authorization: Bearer with a token that is valid now.")
        raise Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="api"'})
    return listener


def _start(request: HttpRequest) -> Position:
    """Return from where on to tell: the last event that the client had, or now."""
    now = selectors.live_now()
    last = Position.parse(request.headers.get("Last-Event-ID", ""))
    return last if last and last < now else now  # one from the future is of a database that is no more


def _stream(listener: Listener, start: Position) -> Iterator[str]:
    """Tell what there is and, from a seat, what comes, until the time is over; a quiet line gets heartbeats."""
    with seats.seat(listener.user_id or 0) as is_seated:
        yield greeting(start, retry_seconds=RETRY_SECONDS if is_seated else RETRY_WHEN_FULL_SECONDS)
        yield from _tell(listener, start, seconds=settings.NOTIFICATIONS["LIVE_SECONDS"] if is_seated else 0)


def _tell(listener: Listener, position: Position, *, seconds: float) -> Iterator[str]:
    ends_at = time.monotonic() + seconds
    quiet_since = time.monotonic()
    while True:
        events = _events(listener, position)
        yield from (frame(_place(event), event=event.type, data=event.payload) for event in events)
        position = _place(events[-1]) if events else position
        now = time.monotonic()
        if now >= ends_at:
            return
        if events or now - quiet_since >= HEARTBEAT_SECONDS:
            quiet_since = now
            yield HEARTBEAT
        time.sleep(min(POLL_SECONDS, ends_at - now))


def _events(listener: Listener, after: Position) -> list[LiveEvent]:
    with tenant_scope(listener.tenant_id):  # the request's own scope has ended
        return selectors.live_events(user_id=listener.user_id or 0, after=after)


def _place(event: LiveEvent) -> Position:
    return Position(event.transaction, event.pk)
