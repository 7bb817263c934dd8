"""A process's one line to RabbitMQ, in a thread of its own: however long pika blocks, nobody waits with it."""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import pika
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

log = logging.getLogger("backroom.jobs")

T = TypeVar("T")
Order = Callable[[BlockingChannel], Any]

TROUBLE = (AMQPError, AssertionError, OSError)  # what pika raises when a connection fails; asserts are its own
HEARTBEAT_SECONDS = 20  # RabbitMQ takes a silent process for dead after about so long
LOOK_SECONDS = 5.0  # an idle line answers heartbeats so often
CLOSE_SECONDS = 2.0  # what a process that ends waits at most for its last bells to leave


class Link:
    """Runs orders on a channel, one after another; connects with the first one and again after a failure."""

    def __init__(self, parameters: list[pika.ConnectionParameters]) -> None:
        self._parameters = parameters
        self._start_afresh()
        os.register_at_fork(after_in_child=self._start_afresh)
        atexit.register(self.close)

    def ask(self, order: Callable[[BlockingChannel], T], *, seconds: float) -> T:
        """Return what the order returns; raises TimeoutError after so long, ConnectionClosed without a connection."""
        future = self._put(order)
        try:
            return cast("T", future.result(timeout=seconds))
        except TimeoutError:
            future.cancel()
            raise TimeoutError("RabbitMQ does not answer.") from None

    def tell(self, order: Order) -> None:
        """Have the order run after those before it; a failure is only logged."""
        self._put(order).add_done_callback(_log_failure)

    def close(self) -> None:
        """Wait a moment for the orders that were given, and say goodbye."""
        if self._thread is None:
            return
        with suppress(TimeoutError, ConnectionClosed):
            self.ask(lambda _: self._hang_up(), seconds=CLOSE_SECONDS)

    def _start_afresh(self) -> None:
        """Begin without a thread and a connection: after a fork, those are the parent's."""
        self._orders: SimpleQueue[tuple[Order, Future[Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def _put(self, order: Order) -> "Future[Any]":
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rabbitmq", daemon=True)
                self._thread.start()
        future: Future[Any] = Future()
        self._orders.put((order, future))
        return future

    def _work(self) -> None:
        while True:
            try:
                order, future = self._orders.get(timeout=LOOK_SECONDS)
            except Empty:
                self._answer_heartbeats()
                continue
            if future.set_running_or_notify_cancel():
                self._serve(order, future)

    def _serve(self, order: Order, future: "Future[Any]") -> None:
        """Run the order; once more if the connection was an old one, which may have died unnoticed."""
        is_old = self._channel is not None
        try:
            future.set_result(order(self._open_channel()))
        except TROUBLE as error:
            self._hang_up()
            if is_old:
                self._serve(order, future)
            else:
                future.set_exception(ConnectionClosed(error))  # type: ignore[no-untyped-call]
        except BaseException as error:  # noqa: BLE001 -- it is the asker's, and this thread must go on
            future.set_exception(error)

    def _open_channel(self) -> BlockingChannel:
        if self._channel is None:
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
        return self._channel

    def _hang_up(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        hang_up(connection)

    def _answer_heartbeats(self) -> None:
        try:
            if self._connection:
                self._connection.process_data_events(time_limit=0)
        except TROUBLE:
            self._hang_up()  # the next order connects


def hang_up(connection: pika.BlockingConnection | None) -> None:
    """Close a connection, whatever its state; one that does not answer is left to its heartbeat."""
    if connection is None or not connection.is_open:
        return
    closing = threading.Thread(target=_close, args=[connection], daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)


def _close(connection: pika.BlockingConnection) -> None:
    with suppress(*TROUBLE):
        connection.process_data_events(time_limit=0)  # answers that other threads left to be sent
        connection.close()


def _log_failure(future: "Future[Any]") -> None:
    if error := future.exception():
        log.warning("bells not rung, the ledger keeps them: %s", error)
