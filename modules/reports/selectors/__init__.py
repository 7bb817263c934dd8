"""Questions about people's weeks and about all that is theirs."""

from modules.drafts.selectors import Places, Who, places_of
from modules.reports.selectors._exports import (
    Belongings,
    OwnDocument,
    exports_of,
    find_export,
    find_member,
    jobs_of_abandoned_exports,
    left_exports,
)
from modules.reports.selectors._summaries import Reader, due_readers, due_turns, summaries_of

__all__ = [
    "Belongings",
    "OwnDocument",
    "Places",
    "Reader",
    "Who",
    "due_readers",
    "due_turns",
    "exports_of",
    "find_export",
    "find_member",
    "jobs_of_abandoned_exports",
    "left_exports",
    "places_of",
    "summaries_of",
]
