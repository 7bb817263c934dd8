"""Questions about people's weeks and about all that is theirs."""

from modules.reports.selectors._places import Places, Who, places_of
from modules.reports.selectors._summaries import due_members, due_turns, summaries_of

__all__ = ["Places", "Who", "due_members", "due_turns", "places_of", "summaries_of"]
