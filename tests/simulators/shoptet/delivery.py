"""Sends a reply down the connection, whole or broken."""

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .answers import Reply
from .faults import Fault, FaultKind

_DRIPS = 10
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, no lingering: closing sends RST


class ExposedProtocol(HttpToolsProtocol):
    """HTTP/1.1 that hands each call its connection, so that a fault can break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"] = {**self.scope["state"], "transport": self.transport}


async def deliver(reply: Reply, *, fault: Fault | None, scope: Scope, send: Send) -> None:
    kind = fault.kind if fault else None
    if kind is FaultKind.RESET:
        _reset(scope["state"]["transport"])
        return
    await _send_head(reply, send)
    if fault and kind is FaultKind.SLOW_BODY:
        await _drip(reply.body, seconds=fault.seconds, send=send)
    elif kind is FaultKind.CUT_BODY:
        await _send_part(reply.body[: len(reply.body) // 2], send)
        scope["state"]["transport"].close()
    else:
        await send({"type": "http.response.body", "body": reply.body})


async def hung_up(receive: Receive, *, within_seconds: float) -> bool:
    """Wait; return early, and True, when the client closes the connection."""
    try:
        async with asyncio.timeout(within_seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _send_head(reply: Reply, send: Send) -> None:
    headers = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body)), **reply.headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})


async def _send_part(part: bytes, send: Send) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


async def _drip(body: bytes, *, seconds: float, send: Send) -> None:
    size = -(-len(body) // _DRIPS)
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / _DRIPS)
        await _send_part(body[start : start + size], send)
    await send({"type": "http.response.body", "body": b""})


def _reset(transport: Any) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
