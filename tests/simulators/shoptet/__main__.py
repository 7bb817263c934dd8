"""Serve the CDNOW purchases as a Shoptet shop until SIGTERM or SIGINT."""

import argparse
import signal
import threading
from datetime import datetime
from pathlib import Path

from . import cdnow
from .options import Options
from .server import SimulatedShop
from .state import LIST_ORDERS


def main() -> None:
    arguments = _parser().parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    orders = cdnow.read_orders(arguments.orders, opened_at=arguments.opened_at)
    with SimulatedShop(
        orders,
        options=_options(arguments),
        list_order=arguments.list_order,
        currency_code=cdnow.CURRENCY_CODE,
        port=arguments.port,
    ) as shop:
        cdnow.fill_shelves(shop.shop)
        print(f"Simulated Shoptet shop of {len(shop.shop.orders())} orders listens at {shop.url}", flush=True)  # noqa: T201 -- the one line a starter waits for
        while not stopped.wait(0.2):
            shop.deliver_webhooks()


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        token=arguments.token,
        connections=arguments.connections or None,
        bucket_drops=arguments.bucket_drops or None,
        leak_per_second=arguments.bucket_leak,
        latency_seconds=arguments.latency,
        vendor_numbers=arguments.vendor_numbers,
        snapshot_seconds=arguments.snapshot_seconds,
        snapshot_format=arguments.snapshot_format,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.shoptet", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default=Options().token)
    parser.add_argument("--orders", type=Path, default=cdnow.SAMPLE_PATH, help="CDNOW purchases, sample or full")
    parser.add_argument("--opened-at", type=datetime.fromisoformat, default=cdnow.OPENED_AT, help="last change, ISO")
    parser.add_argument("--list-order", choices=sorted(LIST_ORDERS), default="code_descending")
    parser.add_argument("--connections", type=int, default=3, help="at once per token; 0 for no limit")
    parser.add_argument("--bucket-drops", type=int, default=200, help="0 for no bucket")
    parser.add_argument("--bucket-leak", type=float, default=10, help="drops per second")
    parser.add_argument("--latency", type=float, default=0, help="seconds each call takes at least")
    parser.add_argument("--vendor-numbers", action="store_true", help="quantities as JSON numbers")
    parser.add_argument("--snapshot-seconds", type=float, default=2, help="what a snapshot's job takes")
    parser.add_argument("--snapshot-format", choices=["gzip", "plain", "members"], default="gzip")
    return parser


if __name__ == "__main__":
    main()
