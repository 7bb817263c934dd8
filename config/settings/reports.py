"""Exports of people's data. Each can be changed without touching code."""

from typing import Any

from config import env

REPORTS: dict[str, Any] = {
    # A bigger export is refused, and its person told so.
    "EXPORT_MAX_BYTES": env.number("EXPORT_MAX_BYTES", default=1024**3, at_least=1),
    # How long its link leads anywhere; then the file is deleted.
    "EXPORT_HOURS": env.number("EXPORT_HOURS", default=24, at_least=1),
    # Whether the files of documents are in it unless the request says otherwise.
    "EXPORT_INCLUDE_PHOTOS": env.flag("EXPORT_INCLUDE_PHOTOS", default=True),
}
