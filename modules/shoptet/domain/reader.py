"""Shoptet's JSON, read tolerantly. Source: the official OpenAPI file and bodies of live shops.

The vendor's own examples break the vendor's schema (amounts as numbers), fields come and go, nearly
everything may be null: so unknown fields are ignored and only what cannot make a record is refused.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from modules.orders.domain import UnreadableOrder

MAX_KEY_LENGTH = 100  # characters; codes and GUIDs of live shops stay under 40


def clean(value: Any) -> Any:
    """Return a JSON value that PostgreSQL can store: no NUL, no half of a surrogate pair, no infinite number."""
    text = json.dumps(value)  # twenty times quicker than to look at every part, and shows what may be wrong
    return _cleaned(value) if any(sign in text for sign in ("\\u0000", "\\ud", "Infinity", "NaN")) else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def raw_text(value: Any) -> str:
    """Return a record as text to keep for a person to read; never fails."""
    try:
        return json.dumps(clean(value), ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return clean(repr(type(value)))  # type: ignore[no-any-return]


class Reader:
    """Reads the fields of one JSON object; what has the wrong shape raises UnreadableOrder with its path."""

    def __init__(self, value: Any, path: str = "") -> None:
        if value is not None and not isinstance(value, Mapping):
            raise UnreadableOrder(path or "order", f"expected an object, got {type(value).__name__}")
        self._fields: Mapping[str, Any] = value or {}
        self._path = f"{path}." if path else ""

    def part(self, name: str) -> "Reader":
        """Return the object `name`; one that is null or absent has only null fields."""
        return Reader(self._fields.get(name), self._path + name)

    def parts(self, name: str) -> list["Reader"]:
        """Return the objects of the list `name`; null or absent is empty."""
        values = self._fields.get(name)
        if values is not None and not isinstance(values, list):
            raise self.unreadable(name, f"expected a list, got {type(values).__name__}")
        return [Reader(value, f"{self._path}{name}[{place}]") for place, value in enumerate(values or [])]

    def address(self, name: str) -> Mapping[str, Any] | None:
        """Return the object `name` as it is, or None when it says nothing: absent, null or all null."""
        fields = self.part(name)._fields
        return fields if any(value not in (None, "") for value in fields.values()) else None

    def text(self, name: str) -> str:
        """Return a text or number as text; "" for null or absent."""
        value = self._fields.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, bool | dict | list):
            raise self.unreadable(name, f"expected text, got {type(value).__name__}")
        return "" if value is None else str(value)

    def key(self, name: str) -> str:
        """Return text that an index can hold."""
        text = self.text(name)
        if len(text) > MAX_KEY_LENGTH:
            raise self.unreadable(name, f"is longer than {MAX_KEY_LENGTH} characters")
        return text

    def required_key(self, name: str) -> str:
        """Return a key that must not be empty: what a record is known by."""
        key = self.key(name)
        if not key:
            raise self.unreadable(name, "is empty")
        return key

    def flag(self, name: str) -> bool | None:
        """Return true, false, or None for null or absent."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.unreadable(name, f"expected true, false or null, got {type(value).__name__}")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number of at most 18 digits, None for null or absent."""
        value = self.decimal(name, digits=18, places=0)
        return None if value is None else int(value)

    def required_number(self, name: str) -> int:
        """Return a number that must not be missing."""
        number = self.number(name)
        if number is None:
            raise self.unreadable(name, "is missing")
        return number

    def decimal(self, name: str, *, digits: int = 14, places: int = 2) -> Decimal | None:
        """Return a number rounded to what its column keeps; it may come as text or as a JSON number."""
        text = self.text(name).strip()
        if not text:
            return None
        if len(text) > MAX_KEY_LENGTH:
            raise self.unreadable(name, f"{text[:40]!r} is out of range")
        try:
            return _rounded(text, digits, places)
        except InvalidOperation:
            raise self.unreadable(name, f"{text[:40]!r} is not a number that fits") from None
        except OverflowError:
            raise self.unreadable(name, f"{text[:40]!r} is out of range") from None

    def time(self, name: str) -> datetime | None:
        """Return an instant in UTC, None for null or absent; one without an offset cannot be read."""
        text = self.text(name).strip()
        if not text:
            return None
        try:
            return _aware(text)
        except (ValueError, OverflowError):
            raise self.unreadable(name, f"{text[:40]!r} is not a time with an offset") from None

    def unreadable(self, name: str, why: str) -> UnreadableOrder:
        """Return the error that says why the field `name` cannot be read."""
        return UnreadableOrder(self._path + name, why)


@lru_cache(maxsize=4_096)  # a shop's amounts, rates and prices are few, and said of each line again
def _rounded(text: str, digits: int, places: int) -> Decimal:
    """Return a number of at most `digits`, `places` behind the point; raises InvalidOperation, OverflowError."""
    value = Decimal(text).quantize(_last_place(places))
    if not value.is_finite() or abs(value) >= _limit(digits - places):
        raise OverflowError(text[:40])
    return value


@lru_cache
def _last_place(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


@lru_cache
def _limit(digits: int) -> Decimal:
    return Decimal(10) ** digits


def _aware(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant.astimezone(UTC)


def parse_line(line: bytes) -> tuple[Any, str | None]:
    """Return the value of a JSON text, and the text itself where PostgreSQL can store it as it is.

    Cleaning a value costs twice what reading it costs. Raises ValueError, RecursionError.
    """
    if not any(escape in line for escape in (b"\\u0000", b"\\ud", b"\\uD")):
        with suppress(_Infinite):
            return json.loads(line, parse_constant=_no_constant, parse_float=_finite), line.decode()
    return json.loads(line, parse_constant=_no_constant), None


class _Infinite(ValueError):
    """A number is too large for a float."""


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Infinite(text)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
