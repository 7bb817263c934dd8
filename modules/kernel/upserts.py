"""Many rows in one statement, of which only those that differ are written."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from psycopg import sql

from modules.kernel.jsontext import json_bytes


def as_json_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the parameter of an upsert: rows as a JSON list, keys being column names.

    Decimals and times go as text: PostgreSQL reads them by the column's type, so nothing becomes a float.
    """
    return json_bytes(rows, default=str).decode()


FROM_JSON = sql.SQL("json_populate_recordset(NULL::{table}, %s::json)")


def upsert_statement(
    model: type[models.Model],
    *,
    key: Sequence[str],
    silent: Sequence[str] = (),
    guard: sql.SQL,
    source: sql.SQL = FROM_JSON,
) -> sql.Composed:
    """Return one INSERT for any number of rows from `source`; unless told otherwise a JSON list, typed by the table.

    A stored row is updated where `guard` holds (over `stored` and `excluded`) and any column but the `silent`
    ones differs. It returns (id, last column of the key, whether the row is new) of each row that was written.
    """
    columns = table_columns(model)
    set_columns = [column for column in columns if column not in key]
    compared = [column for column in set_columns if column not in silent]
    table = sql.Identifier(model._meta.db_table)  # noqa: SLF001
    return sql.SQL(
        "INSERT INTO {table} AS stored ({columns})"
        " SELECT {columns} FROM {source}"
        " ON CONFLICT ({key}) DO UPDATE SET ({set_columns}) = ROW ({new_values})"
        " WHERE ({old}) IS DISTINCT FROM ({new}) AND {guard}"
        " RETURNING id, {returned}, xmax = 0"
    ).format(
        table=table,
        source=source.format(table=table),
        columns=column_names(columns),
        key=column_names(key),
        set_columns=column_names(set_columns),
        new_values=column_names(set_columns, of="excluded"),
        old=column_names(compared, of="stored"),
        new=column_names(compared, of="excluded"),
        guard=guard,
        returned=sql.Identifier("stored", key[-1]),
    )


def table_columns(model: type[models.Model]) -> list[str]:
    """Return the columns that an import fills: all but the id."""
    return [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]  # noqa: SLF001


def column_names(columns: Sequence[str], *, of: str = "") -> sql.Composed:
    """Return names of columns, quoted and separated, those of the table `of` if it is given."""
    return sql.SQL(", ").join(sql.Identifier(*filter(None, (of, column))) for column in columns)
