"""What a summary tells of which week."""

from modules.reports.domain.summaries import MAX_ITEMS, Summary
from modules.reports.domain.weeks import Turn, check_cron, find_turn

__all__ = ["MAX_ITEMS", "Summary", "Turn", "check_cron", "find_turn"]
