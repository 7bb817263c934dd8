"""The REST API of customers: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.customers import selectors
from modules.customers.domain import Segment
from modules.customers.models import Customer, CustomerAccount, CustomerMetrics, CustomerOrder
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Camel, OneLine, RowId, refuse_unknown

router = Router(by_alias=True)

Amount = Annotated[Decimal, Field(max_digits=16, decimal_places=2)]


class Scores(Camel):
    """From 1 to 5, 5 is best; null where nothing was bought, or where spending cannot be compared."""

    recency: int | None
    frequency: int | None
    money: int | None


class Predicted(Camel):
    """What is expected in a year. `chance_to_return` is null for who bought once."""

    orders: Amount
    value: Amount | None
    chance_to_return: Annotated[Decimal, Field(max_digits=5, decimal_places=4)] | None


class CustomerFigures(Camel):
    """A customer's figures. Money is in `currency`; null for a customer of shops with different ones."""

    orders: int
    paid_orders: int
    cancelled_orders: int
    currency: str
    revenue: Amount | None
    average_order_value: Amount | None
    value: Amount | None = Field(description="Revenue so far without VAT.")
    first_order_at: datetime | None
    last_order_at: datetime | None
    recency_days: int | None
    frequency: int = Field(description="Days with a purchase after the first such day.")
    segment: Segment | None
    scores: Scores
    predicted: Predicted | None
    recalculated_at: datetime


class CustomerOut(Camel):
    """A customer. `metrics` is null until it was calculated, and for one that is part of another."""

    id: int
    name: str
    email: str
    phone: str
    company: str
    city: str
    country_code: str
    language: str
    created_at: datetime
    metrics: CustomerFigures | None


class AccountOut(Camel):
    """A registration in a shop, which may have deleted it."""

    shop: str
    guid: str
    group: str
    emails: list[str]
    deleted_at: datetime | None


class OrderOut(Camel):
    """An order of a customer. `linked_by`: account, e-mail, or the order that the customer was made from."""

    code: str
    shop: str
    ordered_at: datetime | None
    status: str
    is_cancelled: bool
    currency: str
    total_with_vat: Amount | None
    linked_by: str


class CustomerDetail(CustomerOut):
    """A customer with accounts, who was merged into it, and its newest orders."""

    merged_into: int | None
    merged_customers: list[int]
    accounts: list[AccountOut]
    newest_orders: list[OrderOut]


class CustomerPage(Camel):
    """One page of customers."""

    customers: list[CustomerOut]
    next_cursor: int | None


class SegmentOut(Camel):
    """A segment. `revenue` is of those who buy in the page's currency."""

    segment: Segment
    customers: int
    revenue: Amount


class SegmentPage(Camel):
    """All segments that have customers, best first."""

    segments: list[SegmentOut]
    currency: str
    unlinked_orders: int


class CustomerFilter(BaseModel):
    """Which customers; all conditions hold together."""

    model_config = ConfigDict(alias_generator=to_camel)

    segment: Segment | None = None
    email: OneLine | None = Field(default=None, description="The whole address; case does not matter.")
    min_orders: int | None = Field(default=None, ge=0, le=1_000_000)
    min_revenue: Decimal | None = Field(default=None, ge=0, le=10**12, description="In the customer's currency.")
    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the conditions that were given."""
        found = {
            "metrics__segment": self.segment,
            "email_normalized": self.email.strip().casefold() if self.email else None,
            "metrics__order_count__gte": self.min_orders,
            "metrics__revenue__gte": self.min_revenue,
            "id__lt": self.cursor,
        }
        return {name: value for name, value in found.items() if value is not None}


@router.get("", response=CustomerPage, summary="List customers")
def list_customers(request: HttpRequest, wanted: Annotated[CustomerFilter, Query()]) -> CustomerPage:
    """List the tenant's customers, newest first; those that are part of another are left out."""
    refuse_unknown(request, [to_camel(name) for name in CustomerFilter.model_fields])
    found = selectors.customers_page(limit=wanted.limit + 1, **wanted.conditions())
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return CustomerPage(
        customers=[CustomerOut(**_fields(customer)) for customer in page], next_cursor=None if is_last else page[-1].pk
    )


@router.get("/segments", response=SegmentPage, summary="Count customers by segment")
def list_segments(request: HttpRequest) -> SegmentPage:
    """Count customers by segment, and the orders that are nobody's."""
    refuse_unknown(request, [])
    totals, currency = selectors.segment_totals()
    segments = [
        SegmentOut(segment=Segment(total.segment), customers=total.customers, revenue=total.revenue) for total in totals
    ]
    return SegmentPage(segments=segments, currency=currency, unlinked_orders=selectors.count_unlinked())


@router.get("/{int:customer_id}", response=CustomerDetail, summary="Look at a customer", url_name="customer")
def get_customer(request: HttpRequest, customer_id: RowId) -> CustomerDetail:
    """Show a customer with accounts, merges and the newest orders."""
    refuse_unknown(request, [])
    customer = selectors.find_customer(customer_id)
    if customer is None:
        raise Problem(404, _("There is no such customer."))
    accounts, merged, links = selectors.customer_parts(customer)
    return CustomerDetail(
        **_fields(customer),
        merged_into=customer.merged_into_id,
        merged_customers=merged,
        accounts=[_account(account) for account in accounts],
        newest_orders=[_order(link) for link in links],
    )


def _fields(customer: Customer) -> dict[str, Any]:
    metrics = getattr(customer, "metrics", None)
    return {
        "id": customer.pk,
        "name": customer.full_name,
        "email": customer.email,
        "phone": customer.phone,
        "company": customer.company,
        "city": customer.city,
        "country_code": customer.country_code,
        "language": customer.language,
        "created_at": customer.created_at,
        "metrics": _figures(metrics) if metrics else None,
    }


def _figures(row: CustomerMetrics) -> CustomerFigures:
    return CustomerFigures(
        orders=row.order_count,
        paid_orders=row.paid_count,
        cancelled_orders=row.cancelled_count,
        currency=row.currency,
        revenue=row.revenue,
        average_order_value=row.aov,
        value=row.clv,
        first_order_at=row.first_order_at,
        last_order_at=row.last_order_at,
        recency_days=max((clock.now() - row.last_order_at).days, 0) if row.last_order_at else None,
        frequency=row.frequency,
        segment=Segment(row.segment) if row.segment else None,
        scores=Scores(recency=row.recency_score, frequency=row.frequency_score, money=row.money_score),
        predicted=_predicted(row),
        recalculated_at=row.recalculated_at,
    )


def _predicted(row: CustomerMetrics) -> Predicted | None:
    if row.predicted_orders is None:
        return None
    return Predicted(orders=row.predicted_orders, value=row.predicted_clv, chance_to_return=row.alive_chance)


def _account(account: CustomerAccount) -> AccountOut:
    return AccountOut(
        shop=str(account.channel),
        guid=account.guid,
        group=account.group_name,
        emails=account.emails,
        deleted_at=account.deleted_at,
    )


def _order(link: CustomerOrder) -> OrderOut:
    order = link.order
    return OrderOut(
        code=order.code,
        shop=str(order.channel),
        ordered_at=order.created_at,
        status=order.status_name,
        is_cancelled=order.is_cancelled,
        currency=order.currency,
        total_with_vat=order.total_with_vat,
        linked_by=link.linked_by,
    )
