"""Many threads' calls in one statement: whoever comes first acts for all that wait meanwhile."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

GATHER_SECONDS = 0.003  # under load: of a statement for eight jobs each job pays a third of what one for two costs it


class _Slot(Generic[Item, Result]):
    """One thread's call."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.result: Result | None = None


class Combiner(Generic[Item, Result]):
    """Calls `act` with the items of every thread that waits, and gives each its own result.

    A lone thread is served at once; under load a database sees one statement and one commit instead of one
    per thread, for which a call waits GATHER_SECONDS when the one before it served several. When `act` raises,
    the thread that ran it gets the error and the others try again themselves.
    """

    def __init__(self, act: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._act = act
        self._waiting: list[_Slot[Item, Result]] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._is_busy = False

    def __call__(self, item: Item) -> Result:
        """Return what `act` says of `item`."""
        slot: _Slot[Item, Result] = _Slot(item)
        while not slot.is_done:
            with self._guard:
                self._waiting.append(slot)
            with self._turn:
                if slot in self._waiting:
                    self._serve()
        return cast("Result", slot.result)

    def _serve(self) -> None:
        if self._is_busy:
            time.sleep(GATHER_SECONDS)
        with self._guard:
            served, self._waiting = self._waiting, []
        self._is_busy = len(served) > 1
        for slot, result in zip(served, self._act([slot.item for slot in served]), strict=True):
            slot.result, slot.is_done = result, True
