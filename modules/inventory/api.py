"""The REST API of stock: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.inventory import selectors
from modules.inventory.domain import Risk
from modules.inventory.models import VariantMetrics
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Camel, OneLine, RowId, refuse_unknown

router = Router(by_alias=True)

WEEKS = 52
Pieces = Annotated[Decimal, Field(max_digits=14, decimal_places=4)]


class VariantOut(Camel):
    """A variant of a shop. `amount` is what may be sold, null where no source told; `days_left` is at this pace."""

    id: int
    shop: str
    code: str
    name: str
    unit: str
    amount: Pieces | None
    sold7_days: Pieces
    sold30_days: Pieces
    sold90_days: Pieces
    sold365_days: Pieces
    revenue90_days: Annotated[Decimal, Field(max_digits=16, decimal_places=2)]
    currency: str
    pieces_per_day: Pieces
    days_left: Annotated[Decimal, Field(max_digits=12, decimal_places=1)] | None
    risk: Risk
    turnover: Annotated[Decimal, Field(max_digits=14, decimal_places=2)] | None
    is_dead_stock: bool
    last_sold_at: datetime | None
    recalculated_at: datetime


class LevelOut(Camel):
    """How many are in one stock."""

    stock: str
    place: str
    amount: Pieces
    reserved: Pieces
    changed_at: datetime


class WeekOut(Camel):
    """Pieces sold in the week from a Monday."""

    monday: date
    sold: Pieces


class VariantDetail(VariantOut):
    """A variant with its stocks and a year of sales by week, oldest first."""

    stocks: list[LevelOut]
    weeks: list[WeekOut]


class VariantPage(Camel):
    """One page of variants."""

    variants: list[VariantOut]
    next_cursor: int | None


class VariantFilter(BaseModel):
    """Which variants; all conditions hold together."""

    model_config = ConfigDict(alias_generator=to_camel)

    risk: Risk | None = None
    dead_stock: bool | None = None
    shop: OneLine | None = Field(default=None, description="The shop's name.")
    code: OneLine | None = Field(default=None, description="The whole code.")
    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the conditions that were given."""
        found = {
            "risk": self.risk,
            "is_dead_stock": self.dead_stock,
            "channel__name": self.shop,
            "code": self.code,
            "id__gt": self.cursor,
        }
        return {name: value for name, value in found.items() if value is not None}


@router.get("/variants", response=VariantPage, summary="List variants in stock")
def list_variants(request: HttpRequest, wanted: Annotated[VariantFilter, Query()]) -> VariantPage:
    """List what the tenant's shops sell or keep, in the order in which it was first seen."""
    refuse_unknown(request, [to_camel(name) for name in VariantFilter.model_fields])
    found = selectors.variants_page(limit=wanted.limit + 1, **wanted.conditions())
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return VariantPage(
        variants=[VariantOut(**_fields(variant)) for variant in page], next_cursor=None if is_last else page[-1].pk
    )


@router.get("/variants/{int:variant_id}", response=VariantDetail, summary="Look at a variant", url_name="variant")
def get_variant(request: HttpRequest, variant_id: RowId) -> VariantDetail:
    """Show a variant with its stocks and what it sold week by week."""
    refuse_unknown(request, [])
    variant = selectors.find_variant(variant_id)
    if variant is None:
        raise Problem(404, _("There is no such variant."))
    weeks = selectors.weekly_sales(variant, now=clock.now(), weeks=WEEKS)
    levels = [
        LevelOut(
            stock=level.stock,
            place=level.location,
            amount=level.amount,
            reserved=level.reserved,
            changed_at=level.changed_at,
        )
        for level in selectors.levels(variant)
    ]
    sold = [WeekOut(monday=week.monday, sold=week.pieces) for week in weeks]
    return VariantDetail(**_fields(variant), stocks=levels, weeks=sold)


def _fields(row: VariantMetrics) -> dict[str, Any]:
    return {
        "id": row.pk,
        "shop": row.channel.name,
        "code": row.code,
        "name": row.name,
        "unit": row.unit,
        "amount": row.amount,
        "sold7_days": row.sold_7,
        "sold30_days": row.sold_30,
        "sold90_days": row.sold_90,
        "sold365_days": row.sold_365,
        "revenue90_days": row.revenue_90,
        "currency": row.channel.currency,
        "pieces_per_day": row.velocity,
        "days_left": row.days_left,
        "risk": Risk(row.risk),
        "turnover": row.turnover,
        "is_dead_stock": row.is_dead_stock,
        "last_sold_at": row.last_sold_at,
        "recalculated_at": row.recalculated_at,
    }
