"""What the simulated shop sells: products with their variants, and categories. Pure Python, no HTTP."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .bodies import Body, guid
from .clock import ShopClock, read_instant, write_instant
from .merging import merge

ON_DEMAND = {"allCategories": "categories"}
VARIANT_ON_DEMAND = {"perStockAmounts": "perStockAmounts", "measureUnit": "measureUnit"}
SECTIONS = frozenset(
    {*ON_DEMAND, *VARIANT_ON_DEMAND, "images", "variantParameters", "flags", "descriptiveParameters"}
    | {"surchargeParameters", "setItems", "filteringParameters", "recyclingFee", "warranty", "sortVariants", "gifts"}
    | {"alternativeProducts", "relatedProducts", "relatedVideos", "relatedFiles", "perPricelistPrices"}
)
LIST_KEYS = ("guid", "name", "type", "url", "visibility", "creationTime", "changeTime", "brand", "supplier")


class NoSuchProduct(LookupError):
    """The shop has no product of this GUID."""


@dataclass(frozen=True, slots=True)
class Product:
    """What lists filter and sort by, and its whole JSON as text."""

    guid: str
    created_at: datetime | None
    changed_at: datetime | None
    text: str

    @classmethod
    def from_body(cls, body: Body) -> "Product":
        created, changed = body.get("creationTime"), body.get("changeTime")
        return cls(
            body["guid"],
            read_instant(created) if created else None,
            read_instant(changed) if changed else None,
            json.dumps(body),
        )

    def load(self) -> Body:
        """Return a fresh body, so that whoever asks may change it."""
        body: Body = json.loads(self.text)
        return body


class Products:
    """The products and categories of one shop, changed from any thread."""

    def __init__(self, clock: ShopClock, lock: threading.RLock, currency_code: str) -> None:
        self._clock, self._lock, self._currency_code = clock, lock, currency_code
        self.announce: Callable[[str, str], None] = lambda _event, _instance: None
        self.reset()

    def reset(self) -> None:
        self._products: dict[str, Product] = {}
        self.deleted_at: dict[str, datetime] = {}
        self.categories: dict[str, Body] = {}

    def all(self) -> list[Product]:
        """Return every product in the order of the shop's list."""
        with self._lock:
            return [self._products[key] for key in sorted(self._products, reverse=True)]

    def find(self, product_guid: str) -> Product | None:
        return self._products.get(product_guid)

    def bodies(self) -> dict[str, Body]:
        """Return the JSON of all products by GUID, every section on demand included."""
        return {product.guid: product.load() for product in self.all()}

    def create(self, changes: Body | None = None) -> str:
        """Add a product of one variant and return its GUID; `changes` is laid over it, lists whole."""
        with self._lock:
            number = len(self._products) + len(self.deleted_at) + 1
            now = write_instant(self._clock.now())
            plain = product_body(number, at=now, currency_code=self._currency_code)
            product_guid = self._put(merge(plain, changes or {}))
            self.announce("product:create", product_guid)
            return product_guid

    def edit(self, product_guid: str, changes: Body, *, changed_at: datetime | None = None) -> None:
        """Lay `changes` over a product; changeTime becomes `changed_at`, else the present. Raises NoSuchProduct."""
        stamp = write_instant(changed_at or self._clock.now())
        with self._lock:
            self._put(merge({**self._body(product_guid), "changeTime": stamp}, changes))
            self.announce("product:update", product_guid)

    def move_stock(self, product_guid: str, stock: str) -> None:
        """Set how many there are of each variant: that is no change of the product. Raises NoSuchProduct."""
        with self._lock:
            body = self._body(product_guid)
            self._put({**body, "variants": [{**variant, "stock": stock} for variant in body["variants"]]})

    def delete(self, product_guid: str) -> None:
        """Remove a product; only the change log remembers it. Raises NoSuchProduct."""
        with self._lock:
            self._body(product_guid)
            del self._products[product_guid]
            self.deleted_at[product_guid] = self._clock.now()
            self.announce("product:delete", product_guid)

    def forget_deletions(self) -> None:
        """Let the change log be 30 days older: it tells of no deletion so far."""
        with self._lock:
            self.deleted_at.clear()

    def put_category(self, name: str, *, parent_guid: str | None = None, **fields: Any) -> str:
        """Add a category, or change the one of that name; return its GUID."""
        category_guid = guid("category", name)
        plain = category_body(category_guid, name=name, parent_guid=parent_guid, priority=len(self.categories) + 1)
        self.categories[category_guid] = {**plain, **fields}
        return category_guid

    def remove_category(self, name: str) -> None:
        del self.categories[guid("category", name)]

    def _body(self, product_guid: str) -> Body:
        product = self.find(product_guid)
        if product is None:
            raise NoSuchProduct(product_guid)
        return product.load()

    def _put(self, body: Body) -> str:
        product = Product.from_body(body)
        self._products[product.guid] = product
        self.deleted_at.pop(product.guid, None)
        return product.guid


def product_body(number: int, *, at: str, currency_code: str) -> Body:
    """Return the JSON of GET /api/products/{guid} without `data` around it: the body is flat.

    Field list: tests/data/shoptet_fields/product_detail.txt, from the vendor's OpenAPI file of August 2026.
    """
    return {
        "guid": guid("product", str(number)),
        "type": "product",
        "name": f"Lampa {number}",
        "brand": {"code": "lumen", "name": "Lumen"},
        "supplier": None,
        "visibility": "visible",
        "creationTime": at,
        "changeTime": at,
        "shortDescription": "Svítí.",
        "description": "<p>Svítí i v noci.</p>",
        "metaDescription": None,
        "url": f"https://simulated-shop.example/lampa-{number}/",
        "internalNote": None,
        "hsCode": None,
        "defaultCategory": {"guid": None, "name": None, "visible": None},
        "categories": [],
        "isVariant": False,
        "variants": [variant_body(f"{number:05}", currency_code=currency_code)],
    }


def variant_body(code: str, *, currency_code: str = "CZK", **fields: Any) -> Body:
    return {
        "code": code,
        "ean": None,
        "stock": "5.000",
        "unit": "ks",
        "weight": "0.505",
        "width": "10.0",
        "height": "10.0",
        "depth": "10.0",
        "visible": True,
        "price": "121.00",
        "commonPrice": None,
        "manufacturerCode": None,
        "pluCode": None,
        "isbn": None,
        "serialNo": None,
        "mpn": None,
        "includingVat": True,
        "vatRate": "21.00",
        "currencyCode": currency_code,
        "minStockSupply": None,
        "actionPrice": None,
        "name": None,
        "amountDecimalPlaces": 0,
        "negativeStockAllowed": "yes-global",
    } | fields


def category_body(category_guid: str, *, name: str, parent_guid: str | None, priority: int) -> Body:
    nothing = ("image", "description", "secondDescription", "menuTitle", "title", "metaTagDescription")
    nothing += ("similarProductsCategory", "relatedProductsCategory")
    return {
        **dict.fromkeys(nothing),
        "guid": category_guid,
        "name": name,
        "indexName": guid("index", name),
        "url": f"https://simulated-shop.example/{guid('index', name)}/",
        "parentGuid": parent_guid,
        "priority": priority,
        "visible": True,
        "customerVisibility": "all",
        "productOrdering": "default",
        "catalogueMapping": [],
    }


def list_row(body: Body) -> Body:
    """Return what GET /api/products shows of a product: no variants, no descriptions."""
    return {key: body.get(key) for key in LIST_KEYS} | {"defaultCategory": body.get("defaultCategory")}


def without_sections(body: Body, *, keep: frozenset[str]) -> Body:
    """Return `body` less the sections on demand that `keep` does not name; changes `body` itself."""
    for section in ON_DEMAND.keys() - keep:
        body.pop(ON_DEMAND[section], None)
    variants = body["variants"] if isinstance(body.get("variants"), list) else []
    for section in VARIANT_ON_DEMAND.keys() - keep:
        for variant in variants:
            variant.pop(VARIANT_ON_DEMAND[section], None)
    return body


def with_numbers(body: Body) -> Body:
    """Return `body` with JSON numbers where the vendor's schema wants text; changes `body` itself."""
    for variant in body.get("variants") or []:
        for key in ("stock", "weight", "price", "vatRate"):
            variant[key] = None if variant.get(key) is None else float(variant[key])
    return body
