"""Compares an answer with the vendor's field list in tests/data/shoptet_fields."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "shoptet_fields"


@dataclass(frozen=True, slots=True)
class Field:
    types: frozenset[str]
    is_required: bool
    pattern: str


def read_fields(name: str) -> dict[str, Field]:
    rows = (line.split(" ", 3) for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())
    return {
        path: Field(frozenset(types.split(",")), need == "required", "".join(pattern))
        for path, types, need, *pattern in rows
    }


def find_violations(name: str, data: Any) -> list[str]:
    """Return one sentence per field that is missing, unknown, of another type or against its pattern."""
    return _check(read_fields(name), "(data)", data)


def _check(fields: dict[str, Field], path: str, value: Any) -> list[str]:
    field = fields.get(path)
    if field is None:
        return [f"{path} is unknown"]
    if _type_of(value) not in field.types:
        return [f"{path} is {_type_of(value)}"]
    if isinstance(value, list):
        return [found for row in value for found in _check(fields, f"{path}[]", row)]
    if isinstance(value, dict):
        return _check_object(fields, path, value)
    is_against = isinstance(value, str) and field.pattern and not re.search(field.pattern, value)
    return [f"{path} is {value!r}"] if is_against else []


def _check_object(fields: dict[str, Field], path: str, value: dict[str, Any]) -> list[str]:
    prefix = "" if path == "(data)" else f"{path}."
    children = {
        known.removeprefix(prefix): field
        for known, field in fields.items()
        if known.startswith(prefix) and re.fullmatch(r"\w+", known.removeprefix(prefix))
    }
    missing = [f"{prefix}{key} is missing" for key, field in children.items() if field.is_required and key not in value]
    return missing + [found for key, inner in value.items() for found in _check(fields, f"{prefix}{key}", inner)]


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names[type(value)]
