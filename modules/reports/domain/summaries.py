"""What somebody's week was like."""

from dataclasses import dataclass, field
from typing import Any

MAX_ITEMS = 20  # of each list: a mail is to be read
_LONGEST = 120


@dataclass
class Summary:
    """What a person did, what others did where it is shared with them, and what waits for them.

    The lists hold (property, count), (record, author) and (property, member), of each the first `MAX_ITEMS`.
    """

    records_created: int = 0
    records_updated: int = 0
    documents_uploaded: int = 0
    comments_added: int = 0
    new_records: list[tuple[str, int]] = field(default_factory=list)
    new_comments: list[tuple[str, str]] = field(default_factory=list)
    new_members: list[tuple[str, str]] = field(default_factory=list)
    pending_drafts: int = 0
    pending_invitations: int = 0
    expiring_drafts: int = 0

    @property
    def has_news(self) -> bool:
        """Return whether there is anything to tell."""
        return any(vars(self).values())

    def values(self) -> dict[str, Any]:
        """Return what the mail shows, each text on one line."""
        return {
            **vars(self),
            "new_records": [{"property": _line(name), "count": count} for name, count in self.new_records[:MAX_ITEMS]],
            "new_comments": [
                {"record": _line(record), "author": _line(author)} for record, author in self.new_comments[:MAX_ITEMS]
            ],
            "new_members": [
                {"property": _line(name), "member": _line(member)} for name, member in self.new_members[:MAX_ITEMS]
            ],
        }


def _line(text: str) -> str:
    """Return a text that somebody wrote as one printable line: it cannot break out of its place in a mail."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_LONGEST] or "–"
