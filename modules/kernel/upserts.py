"""Many rows in one statement, of which only those that differ are written."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from psycopg import sql


def as_json_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the parameter of an upsert: rows as a JSON list, keys being column names.

    Decimals and times go as text: PostgreSQL reads them by the column's type, so nothing becomes a float.
    """
    return json.dumps(rows, default=str, ensure_ascii=False)


def upsert_statement(
    model: type[models.Model], *, key: Sequence[str], silent: Sequence[str] = (), guard: sql.SQL
) -> sql.Composed:
    """Return one INSERT for any number of rows that come as a JSON list, typed by the table itself.

    A stored row is updated where `guard` holds (over `stored` and `excluded`) and any column but the `silent`
    ones differs. It returns (id, last column of the key, whether the row is new) of each row that was written.
    """
    columns = [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]  # noqa: SLF001
    set_columns = [column for column in columns if column not in key]
    compared = [column for column in set_columns if column not in silent]
    return sql.SQL(
        "INSERT INTO {table} AS stored ({columns})"
        " SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s::json)"
        " ON CONFLICT ({key}) DO UPDATE SET ({set_columns}) = ROW ({new_values})"
        " WHERE ({old}) IS DISTINCT FROM ({new}) AND {guard}"
        " RETURNING id, {returned}, xmax = 0"
    ).format(
        table=sql.Identifier(model._meta.db_table),  # noqa: SLF001
        columns=_names(columns),
        key=_names(key),
        set_columns=_names(set_columns),
        new_values=_names(set_columns, of="excluded"),
        old=_names(compared, of="stored"),
        new=_names(compared, of="excluded"),
        guard=guard,
        returned=sql.Identifier("stored", key[-1]),
    )


def _names(columns: Sequence[str], *, of: str = "") -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*filter(None, (of, column))) for column in columns)
