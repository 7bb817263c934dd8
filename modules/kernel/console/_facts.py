"""What a module adds to the page of a lower one: orders do not know customers, but their page may name one."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from modules.kernel.console._display import Fact

_sources: dict[str, list[Callable[[Any], Fact | None]]] = defaultdict(list)


def add_fact(model_label: str, source: Callable[[Any], Fact | None]) -> None:
    """Show what `source(row)` returns on each page of `model_label` ("orders.order"); None shows nothing."""
    _sources[model_label].append(source)


def added_facts(row: Any) -> list[Fact]:
    """Return what the modules above know about a row."""
    found = (source(row) for source in _sources[row._meta.label_lower])  # noqa: SLF001 -- Django's public name for it
    return [fact for fact in found if fact is not None]
