"""Orders asked for one by one: whatever made somebody ask, what comes back is stored in the same way."""

from collections.abc import Collection, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from modules.kernel import clock
from modules.orders import selectors as order_selectors
from modules.orders import services as order_services
from modules.orders.domain import OrderFacts, UnreadableOrder
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, Answer, RateLimited, ShoptetClient, ShoptetError
from modules.shoptet.models import ParkedRecord, Shop
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._patience import Patience, Requested, collect
from modules.shoptet.services._shops import connect

CODES_AT_ONCE = 50  # details fetched and stored together


@dataclass
class Details:
    """What came of asking for orders by code; `at` is the shop's time of the earliest answer."""

    at: datetime
    orders: list[OrderFacts] = field(default_factory=list)
    unreadable: list[executions.Unreadable] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def request_details(*, client: ShoptetClient, pool: Executor, codes: Collection[str]) -> Requested:
    """Begin to ask for orders by code."""
    return {code: pool.submit(client.order, code) for code in codes}


def read_details(requested: Requested, *, shop: Shop, patience: Patience | None = None) -> Details:
    """Wait for what was asked for, without what `patience` bears. Raises ShoptetError, and then asks for no other."""
    return _sorted(collect(requested, patience=patience), default_currency=shop.channel.currency)


def _sorted(answers: Mapping[str, Answer], *, default_currency: str) -> Details:
    found = Details(min((answer.at for answer in answers.values()), default=clock.now()))
    for code, answer in answers.items():
        if answer.data is None:
            found.gone.append(code)
            continue
        try:
            found.orders.append(_read(code, answer, default_currency=default_currency))
        except UnreadableOrder as error:
            found.unreadable.append(executions.Unreadable(code, domain.raw_text(answer.data), str(error)))
    return found


def _read(code: str, answer: Answer, *, default_currency: str) -> OrderFacts:
    facts = domain.read_order(answer.data, default_currency=default_currency)
    if facts.code != code:
        raise UnreadableOrder("code", f"asked for {code!r}, the shop answered with {facts.code!r}")
    return facts


def store_details(*, shop: Shop, found: Details) -> dict[str, int]:
    """Store what came, in the caller's transaction; return the counts of a log entry. Safe to repeat."""
    channel_id, codes = shop.channel_id, [facts.code for facts in found.orders]
    result = order_services.import_orders(channel_id=channel_id, orders=found.orders, fetched_at=found.at)
    order_services.confirm_fetched(channel_id=channel_id, codes=codes, fetched_at=found.at)
    deleted = order_services.mark_deleted(channel_id=channel_id, codes=found.gone, deleted_at=found.at)
    kind, now = ParkedRecord.Kind.ORDER, clock.now()
    executions.resolve_parked(shop=shop, kind=kind, codes=[*codes, *found.gone], at=now)
    parked = executions.park_records(shop=shop, kind=kind, records=found.unreadable, at=now) if found.unreadable else 0
    return {
        "fetched": len(codes) + len(found.gone) + len(found.unreadable),
        "created": len(result.created_ids),
        "updated": len(result.updated_ids),
        "unchanged": result.unchanged,
        "deleted": len(deleted),
        "parked": parked,
    }


def refresh_orders(*, shop: Shop, codes: Collection[str]) -> dict[str, ShoptetError]:
    """Bring orders to their present state, each as the shop tells it now: deleted is what the shop has not.

    Returns what the shop refuses of single orders, by code: that stays as it was. Fifty at a time, each fifty a
    transaction. Safe to repeat and beside any other reading. Raises ShoptetError for what concerns all of them.
    """
    if shop.paused_until and shop.paused_until > clock.now():
        raise RateLimited(shop.paused_until)
    wanted = [code for code in dict.fromkeys(codes) if 0 < len(code) <= domain.MAX_KEY_LENGTH]
    with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
        patience = Patience(client)
        for start in range(0, len(wanted), CODES_AT_ONCE):
            requested = request_details(client=client, pool=pool, codes=wanted[start : start + CODES_AT_ONCE])
            found = read_details(requested, shop=shop, patience=patience)
            with transaction.atomic():
                store_details(shop=shop, found=found)
    return patience.refused


def catch_up_deletions(*, shop_id: int, since: datetime) -> None:
    """Find what the shop deleted since a snapshot was made: its file brought that in as if it were alive.

    Each is confirmed by a 404 of the order itself. Safe to repeat. Raises ShoptetError.
    """
    shop = selectors.get_shop(shop_id)
    since = max(since, clock.now() - timedelta(days=domain.CHANGE_LOG_DAYS - 1))
    codes: list[str] = []
    with connect(shop) as client:
        number, page_count = 1, 1
        while number <= page_count:
            page, _at = client.deletion_page(since=since, page=number)
            codes += _readable_codes(page)
            number, page_count = number + 1, page.page_count if page.rows else 0
    stored = order_selectors.stored_versions(channel_id=shop.channel_id, codes=codes)
    alive = [code for code in codes if code in stored and not stored[code].is_deleted]
    for error in refresh_orders(shop=shop, codes=alive).values():
        raise error


def _readable_codes(page: domain.Page) -> list[str]:
    """Return the codes of a change log's page; the incremental reading sets aside what has none."""
    codes = []
    for row in page.rows:
        try:
            codes.append(domain.read_listed(row).code)
        except (UnreadableOrder, RecursionError):
            continue
    return codes
