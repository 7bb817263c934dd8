"""The content of an export, as a stream: data as JSON, files as they are, at the end a list of all with digests."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from modules.reports import clients
from modules.reports.domain import Archive, Names, safe_name
from modules.reports.selectors import Belongings, OwnDocument

FORMAT = 1
ROWS_IN_PIECE = 200
Report = Callable[[int], None]


@dataclass
class Content:
    """Writes a person's belongings into an archive; `missing` and `changed` tell which files were not as expected."""

    belongings: Belongings
    archive: Archive
    includes_photos: bool
    head: dict[str, Any]
    report: Report
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    _names: Names = field(default_factory=Names)

    def stream(self) -> Iterator[bytes]:
        """Yield the whole archive. Raises TooBig, StorageFailed, and whatever `report` does."""
        for name, rows in self.belongings.parts().items():
            yield from self._add_rows(name, rows)
        yield from self._add_rows("documents", (each.facts for each in self.belongings.documents()))
        if self.includes_photos:
            for document in self.belongings.documents():
                yield from self._add_file(document)
        yield from self.archive.add("manifest.json", [self._manifest()], is_compressed=True)
        yield from self.archive.close()

    def _add_rows(self, name: str, rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
        yield from self.archive.add(f"data/{name}.json", self._as_json(name, rows), is_compressed=True)
        self.report(len(self.archive.entries))

    def _as_json(self, name: str, rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
        """Yield a JSON list, as many rows at a time as keep a piece small."""
        lines, before = [], "[\n"
        self.counts[name] = 0
        for row in rows:
            self.counts[name] += 1
            lines.append(before + json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False))
            before = ",\n"
            if len(lines) == ROWS_IN_PIECE:
                yield "".join(lines).encode(errors="replace")
                lines.clear()
        yield ("".join(lines) + ("\n]\n" if self.counts[name] else "[]\n")).encode(errors="replace")

    def _add_file(self, document: OwnDocument) -> Iterator[bytes]:
        try:
            pieces = clients.read_object(document.storage_key)
        except clients.ObjectGone:
            self.missing.append({name: document.facts[name] for name in ("id", "name")})
            return
        yield from self.archive.add(self._path(document), pieces, is_compressed=False)
        entry = self.archive.entries[-1]
        self.counts["files"] += 1
        if entry.sha256 != document.facts["sha256"]:
            told = {"id": document.facts["id"], "path": entry.path, "expectedSha256": document.facts["sha256"]}
            self.changed.append(told)
        self.report(len(self.archive.entries))

    def _path(self, document: OwnDocument) -> str:
        place = safe_name(document.property_name, otherwise="property")
        record = safe_name(document.record_title, otherwise="record")
        return self._names.take("files", place, record, safe_name(document.facts["name"]))

    def _manifest(self) -> bytes:
        told = {
            "format": FORMAT,
            **self.head,
            "includesPhotos": self.includes_photos,
            "counts": self.counts,
            "entries": [vars(entry) for entry in self.archive.entries],
            "missing": self.missing,
            "changed": self.changed,
        }
        return json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1).encode(errors="replace")
