"""The REST API of orders: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.kernel.problems import Problem
from modules.kernel.rest import Camel, Moment, OneLine, RowId, refuse_unknown
from modules.orders import selectors
from modules.orders.domain import normalized_email
from modules.orders.models import Order, OrderItem

router = Router(by_alias=True)

Amount = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]


class OrderOut(Camel):
    """An order. Money is in `currency`, only `total_default` in the shop's own; null is what the shop did not tell."""

    id: int
    shop: str
    code: str
    ordered_at: datetime | None
    changed_at: datetime | None
    deleted_at: datetime | None
    status_id: int | None
    status: str
    is_cancelled: bool
    is_paid: bool | None
    email: str
    full_name: str
    currency: str
    total_with_vat: Amount | None
    total_without_vat: Amount | None
    to_pay: Amount | None
    total_default: Amount | None


class LineOut(Camel):
    """A line; totals are of the whole line. `code` is the variant's."""

    line_number: int
    item_type: str
    product_guid: str
    code: str
    ean: str
    name: str
    variant_name: str
    amount: Annotated[Decimal, Field(max_digits=12, decimal_places=3)] | None
    unit: str
    total_with_vat: Amount | None
    total_without_vat: Amount | None
    vat_rate: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] | None


class OrderDetail(OrderOut):
    """An order with addresses as the shop tells them, and its lines in their order."""

    guid: str
    phone: str
    customer_guid: str
    is_cash_desk: bool
    exchange_rate: Annotated[Decimal, Field(max_digits=18, decimal_places=8)] | None
    source_name: str
    shipping_name: str
    payment_name: str
    language: str
    billing_address: dict[str, Any] | None
    delivery_address: dict[str, Any] | None
    lines: list[LineOut]


class OrderPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    orders: list[OrderOut]
    next_cursor: int | None


class OrderFilter(BaseModel):
    """Which orders; all conditions hold together."""

    model_config = ConfigDict(alias_generator=to_camel)

    shop: OneLine | None = Field(default=None, description="The shop's name.")
    code: OneLine | None = Field(default=None, description="The whole code.")
    email: OneLine | None = None
    status_id: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    is_paid: bool | None = None
    is_cancelled: bool | None = None
    is_deleted: bool = Field(default=False, description="Those that the shop deleted, instead of those that it has.")
    ordered_from: Moment | None = None
    ordered_to: Moment | None = Field(default=None, description="Before this moment.")
    changed_from: Moment | None = None
    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the conditions that were given."""
        found = {
            "channel__name": self.shop,
            "code": self.code,
            "email_normalized": self.email and (normalized_email(self.email) or "-"),  # "-" is no e-mail: nobody's
            "status_id": self.status_id,
            "is_paid": self.is_paid,
            "is_cancelled": self.is_cancelled,
            "deleted_at__isnull": not self.is_deleted,
            "created_at__gte": self.ordered_from,
            "created_at__lt": self.ordered_to,
            "changed_at__gte": self.changed_from,
        }
        return {name: value for name, value in found.items() if value is not None}


@router.get("", response=OrderPage, summary="List orders")
def list_orders(request: HttpRequest, wanted: Annotated[OrderFilter, Query()]) -> OrderPage:
    """List the orders of the tenant's shops, the newest first; those without a time of order before all."""
    refuse_unknown(request, [to_camel(name) for name in OrderFilter.model_fields])
    found = selectors.orders_page(limit=wanted.limit + 1, after=wanted.cursor, **wanted.conditions())
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return OrderPage(
        orders=[OrderOut(**_fields(order)) for order in page], next_cursor=None if is_last else page[-1].pk
    )


@router.get("/{int:order_id}", response=OrderDetail, summary="Look at an order", url_name="order")
def get_order(request: HttpRequest, order_id: RowId) -> OrderDetail:
    """Show an order with its lines, also one that the shop deleted."""
    refuse_unknown(request, [])
    order = selectors.find_order(order_id)
    if order is None:
        raise Problem(404, _("There is no such order."))
    details = {name: getattr(order, name) for name in _OF_DETAIL}
    return OrderDetail(**_fields(order), **details, lines=[_line(item) for item in selectors.lines(order)])


_PLAIN = tuple(name for name in OrderOut.model_fields if name not in ("shop", "ordered_at", "status"))
_OF_DETAIL = tuple(name for name in OrderDetail.model_fields if name not in OrderOut.model_fields and name != "lines")


def _fields(order: Order) -> dict[str, Any]:
    plain = {name: getattr(order, name) for name in _PLAIN}
    return plain | {"shop": order.channel.name, "ordered_at": order.created_at, "status": order.status_name}


def _line(item: OrderItem) -> LineOut:
    return LineOut(**{name: getattr(item, name) for name in LineOut.model_fields})
