"""What a summary tells of which week, and what is in an export under which name."""

from modules.reports.domain.archives import Archive, Entry, TooBig
from modules.reports.domain.names import Names, safe_name
from modules.reports.domain.summaries import MAX_ITEMS, Summary
from modules.reports.domain.weeks import Turn, check_cron, find_turn

__all__ = [
    "MAX_ITEMS",
    "Archive",
    "Entry",
    "Names",
    "Summary",
    "TooBig",
    "Turn",
    "check_cron",
    "find_turn",
    "safe_name",
]
