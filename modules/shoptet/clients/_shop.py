"""What a shop's API is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import quote

from django.utils.translation import gettext as _

from modules.orders.domain import StatusFacts, UnreadableOrder
from modules.shoptet import domain
from modules.shoptet.clients import limits
from modules.shoptet.clients._calls import Answer, ShopCalls
from modules.shoptet.clients._errors import TemporaryShoptetError


class ShoptetClient(ShopCalls):
    """Calls to one shop by what they are for; see `ShopCalls`."""

    def eshop(self) -> tuple[domain.EshopFacts, datetime]:
        """Return what the shop says about itself, with its order statuses, and the shop's time."""
        answer = self._existing("/api/eshop", {"include": "orderStatuses"})
        with _unexpected_unless_readable():
            return domain.read_eshop(answer.data), answer.at

    def order_page(self, *, window: domain.Window, page: int) -> domain.Page | None:
        """Return a page of at most 50 orders whose last change lies in `window`; the order of rows is undefined.

        None for a page after the last one, which some shops answer with 404: the list became shorter.
        """
        return self._order_page("changeTime", window=window, page=page)

    def orders_made(self, *, window: domain.Window, page: int) -> domain.Page | None:
        """Return a page as `order_page` does, of orders that were made in `window`."""
        return self._order_page("creationTime", window=window, page=page)

    def _order_page(self, time: str, *, window: domain.Window, page: int) -> domain.Page | None:
        query = {f"{time}To": domain.format_time(window.changed_to)}
        if window.changed_from:
            query[f"{time}From"] = domain.format_time(window.changed_from)
        ask = self._existing if page == 1 else self._get
        answer = ask("/api/orders", query | {"itemsPerPage": str(limits.ORDERS_PER_PAGE), "page": str(page)})
        if answer.data is None:
            return None
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows="orders")

    def orders_of(self, codes: Sequence[str]) -> list[domain.ListedOrder]:
        """Return the list's rows of these orders, at most 50; what the shop has not, or cannot tell, is left out."""
        asked = [code for code in codes if "," not in code and code.strip() == code]  # others cannot be named there
        if not asked:
            return []
        query = {"orderCodes": ",".join(asked), "itemsPerPage": str(limits.ORDERS_PER_PAGE)}
        answer = self._existing("/api/orders", query)
        with _unexpected_unless_readable():
            return [domain.read_listed(row) for row in domain.read_page(answer.data, rows="orders").rows]

    def order_statuses(self) -> tuple[StatusFacts, ...]:
        """Return the statuses that the shop's orders may have."""
        answer = self._existing("/api/orders/statuses", {})
        with _unexpected_unless_readable():
            return domain.read_statuses(answer.data)

    def stocks(self) -> list[int]:
        """Return the numbers of the shop's stocks."""
        answer = self._existing("/api/stocks", {})
        with _unexpected_unless_readable():
            return domain.read_stock_ids(answer.data)

    def supplies_page(self, stock_id: int, *, page: int) -> domain.Page | None:
        """Return a page of at most 1,000 variants with what a stock has of each; None after the last page."""
        return self._stock_page(f"{stock_id}/supplies", {}, rows="supplies", page=page)

    def movements_page(self, stock_id: int, *, last_id: int, page: int) -> domain.Page | None:
        """Return a page of at most 1,000 movements in a stock after `last_id`; None after the last page."""
        return self._stock_page(f"{stock_id}/movements", {"lastId": str(last_id)}, rows="movements", page=page)

    def last_movement_id(self, stock_id: int) -> int:
        """Return the number of the last movement in a stock, 0 when there was none."""
        answer = self._get(f"/api/stocks/{stock_id}/movements/last", {})
        with _unexpected_unless_readable():
            return 0 if answer.data is None else domain.read_last_id(answer.data)

    def _stock_page(self, path: str, query: Mapping[str, str], *, rows: str, page: int) -> domain.Page | None:
        paging = {"itemsPerPage": str(limits.STOCK_PER_PAGE), "page": str(page)}
        answer = self._get(f"/api/stocks/{path}", {**query, **paging})
        if answer.data is None:
            return None
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows=rows)

    def customer_page(self, *, page: int) -> tuple[domain.Page | None, datetime]:
        """Return a page of at most 1,000 registered customers, None after the last one, and the shop's time."""
        query = {"itemsPerPage": str(limits.CUSTOMERS_PER_PAGE), "page": str(page)}
        return self._customer_page("/api/customers", query, rows="customers")

    def customer_changes_page(self, *, since: datetime, page: int) -> tuple[domain.Page | None, datetime]:
        """Return a page of at most 20 customers changed since `since` (30 days back at most), and the shop's time."""
        query = {
            "from": domain.format_time(since),
            "itemsPerPage": str(limits.CUSTOMER_CHANGES_PER_PAGE),
            "page": str(page),
        }
        return self._customer_page("/api/customers/changes", query, rows="changes")

    def _customer_page(self, path: str, query: Mapping[str, str], *, rows: str) -> tuple[domain.Page | None, datetime]:
        ask = self._existing if query["page"] == "1" else self._get
        answer = ask(path, query)
        if answer.data is None:
            return None, answer.at
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows=rows), answer.at

    def customer(self, guid: str) -> Answer:
        """Return a customer's detail, still unread (`data.customer`); data None when the shop says there is none."""
        answer = self._get(f"/api/customers/{quote(guid, safe='')}", {})
        record = answer.data.get("customer") if isinstance(answer.data, dict) else answer.data
        return Answer(record, answer.at)

    def deletion_page(self, *, since: datetime, page: int) -> tuple[domain.Page, datetime]:
        """Return a page of at most 1,000 orders deleted since `since` (30 days back at most), and the shop's time."""
        query = {"from": domain.format_time(since), "changeType": "delete"}
        answer = self._existing(
            "/api/orders/changes", query | {"itemsPerPage": str(limits.CHANGES_PER_PAGE), "page": str(page)}
        )
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows="changes"), answer.at

    def order(self, code: str) -> Answer:
        """Return an order's detail, still unread (`data.order`); data None when the shop says there is none."""
        answer = self._get(f"/api/orders/{quote(code, safe='')}", {})
        record = answer.data.get("order") if isinstance(answer.data, dict) else answer.data
        return Answer(record, answer.at)

    def product_page(self, *, window: domain.Window | None, page: int) -> domain.Page:
        """Return a page of at most 1,000 products whose last change lies in `window`; the order is undefined.

        None is every product, also one whose change has no time.
        """
        query = {"changeTimeTo": domain.format_time(window.changed_to)} if window else {}
        if window and window.changed_from:
            query["changeTimeFrom"] = domain.format_time(window.changed_from)
        return self._page("/api/products", query, page=page, size=limits.PRODUCTS_PER_PAGE, rows="products")[0]

    def product_deletion_page(self, *, since: datetime, page: int) -> tuple[domain.Page, datetime]:
        """Return a page of at most 1,000 products deleted since `since` (30 days back at most), and the shop's time."""
        query = {"from": domain.format_time(since), "changeType": "delete"}
        return self._page("/api/products/changes", query, page=page, size=limits.CHANGES_PER_PAGE, rows="changes")

    def product(self, guid: str) -> Answer:
        """Return a product's detail with its categories, still unread and flat; data None when there is none."""
        return self._get(f"/api/products/{quote(guid, safe='')}", {"include": "allCategories"})

    def category_page(self, *, page: int) -> domain.Page:
        """Return a page of at most 1,000 categories."""
        return self._page("/api/categories", {}, page=page, size=limits.CATEGORIES_PER_PAGE, rows="categories")[0]

    def _page(
        self, path: str, query: Mapping[str, str], *, page: int, size: int, rows: str
    ) -> tuple[domain.Page, datetime]:
        """Return a page, an empty one for one after the last, which some shops answer with 404."""
        ask = self._existing if page == 1 else self._get
        answer = ask(path, {**query, "itemsPerPage": str(size), "page": str(page)})
        if answer.data is None:
            return domain.Page((), page, 0, 0), answer.at
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows=rows), answer.at

    def request_snapshot(self, path: str, query: Mapping[str, str]) -> tuple[str, datetime]:
        """Let the shop make a snapshot; return its job's id and the shop's time. Raises WebhookMissing."""
        answer = self._existing(path, query)
        job_id = answer.data.get("jobId")
        if not isinstance(job_id, str) or not 0 < len(job_id) <= domain.MAX_KEY_LENGTH:
            raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "jobId")
        return job_id, answer.at

    def job(self, job_id: str) -> domain.SnapshotJob | None:
        """Return how far the shop's job is, None when it knows none. Raises LooksUsedUp."""
        answer = self._get(f"/api/system/jobs/{quote(job_id, safe='')}", {})
        with _unexpected_unless_readable():
            return None if answer.data is None else domain.read_job(answer.data)

    def register_webhooks(self, *, url: str, events: Sequence[str]) -> None:
        """Ask to be told of `events` at `url`. Raises WebhookTaken, and then none is registered."""
        self._call("POST", "/api/webhooks", {}, {"data": [{"event": event, "url": url} for event in events]})

    def webhooks(self) -> dict[str, str]:
        """Return the address of each event that is registered."""
        answer = self._existing("/api/webhooks", {"itemsPerPage": "500"})
        rows = answer.data.get("webhooks") or []
        return {str(row.get("event")): str(row.get("url")) for row in rows if isinstance(row, dict)}

    def renew_signature_key(self) -> str:
        """Return a new key that webhooks are signed with from now on; each call makes another one."""
        answer = self._call("POST", "/api/webhooks/renew-signature-key", {}, None)
        key = answer.data.get("signatureKey") if answer.data else None
        if not isinstance(key, str) or not key:
            raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "signatureKey")
        return key


@contextmanager
def _unexpected_unless_readable() -> Iterator[None]:
    try:
        yield
    except (UnreadableOrder, RecursionError) as error:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % error) from None
