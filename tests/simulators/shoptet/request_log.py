import threading
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 200_000  # calls; a bulk load of the whole data set fits, a forgotten demo does not fill the memory


@dataclass(slots=True)
class LoggedRequest:
    """One API call as the shop saw it.

    `path` and `query` as sent, still encoded. `status`: None while under way or when no answer went out,
    499 when the client hung up first. `connections`: of this token at its start, itself included.
    `at`: seconds of the shop's stopwatch, only good for differences. `fault`: what was done to it, if anything.
    """

    number: int
    method: str
    path: str
    query: str
    token: str
    connections: int
    at: float
    status: int | None = None
    fault: str | None = None


class RequestLog:
    """Remembers the calls in the order they came; read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[LoggedRequest] = []
        self._count = 0

    def add(self, method: str, *, path: str, query: str, token: str, connections: int, at: float) -> LoggedRequest:
        with self._lock:
            self._count += 1
            request = LoggedRequest(self._count, method, path, query, token, connections, at)
            self._requests.append(request)
            if len(self._requests) > _KEPT:
                del self._requests[: _KEPT // 2]
            return request

    def requests(self, *, after: int = 0) -> list[LoggedRequest]:
        """Return the calls whose number is above `after`."""
        with self._lock:
            return [request for request in self._requests if request.number > after]

    def as_json(self, *, after: int = 0) -> list[dict[str, Any]]:
        return [asdict(request) for request in self.requests(after=after)]

    def clear(self) -> None:
        """Forget the calls; numbers start again from 1."""
        with self._lock:
            self._requests.clear()
            self._count = 0
