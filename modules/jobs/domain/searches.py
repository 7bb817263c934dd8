"""The words by which jobs are searched: `queue:import state:failed,retrying -actor:shoptet.* older:2h`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from uuid import UUID

from modules.jobs.domain.life import State

MOST_WORDS = 20
_TOKEN = re.compile(r'(?P<minus>-?)(?:(?P<name>[A-Za-z_]+(?:\.[\w.]+)?):)?(?P<value>"[^"]*"|[^\s"]+)(?=\s|$)')
_BARE = re.compile(r"[^\s]+")
_AGE = re.compile(r"(\d{1,6})(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_COMPARED = re.compile(r"([<>]?)(.+)", re.DOTALL)


class InvalidSearch(ValueError):
    """A word that cannot be understood: `problem` is a key of the texts, `word` the word, `hint` the way out."""

    def __init__(self, problem: str, word: str, hint: str = "") -> None:
        self.problem, self.word, self.hint = problem, word, hint
        super().__init__(f"{problem}: {word!r} {hint}".strip())


@dataclass(frozen=True)
class Term:
    """One word of a search. `values` are alternatives; `name` is "" for a word without one."""

    name: str
    values: tuple[str, ...]
    is_negated: bool = False

    def __str__(self) -> str:
        shown = ",".join(self.values)
        quoted = f'"{shown}"' if re.search(r"\s", shown) else shown
        return f"{'-' if self.is_negated else ''}{f'{self.name}:' if self.name else ''}{quoted}"


@dataclass(frozen=True)
class Known:
    """What there is to search for; a word that names none of it is most likely a typing error."""

    queues: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()
    tenants: Mapping[str, int] | None = None
    """Ids by name, of those that the reader may see; None where only ids are taken."""


def parse_search(text: str, known: Known) -> list[Term]:
    """Return the words of a search, all of which must hold. Raises InvalidSearch.

    Tenants are turned into their ids, so that a written-out search means the same to whoever reads it later.
    """
    words = list(_words(text))
    if len(words) > MOST_WORDS:
        raise InvalidSearch("too_many", str(len(words)), str(MOST_WORDS))
    return [_term(word, known) for word in words]


def write_search(terms: list[Term]) -> str:
    """Return the text that `parse_search` reads as these words."""
    return " ".join(map(str, terms))


def span(text: str) -> timedelta | None:
    """Return how long `2h`, `90min` or `3d` is; None for anything else."""
    found = _AGE.fullmatch(text)
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else None


def compared(text: str) -> tuple[str, str]:
    """Return the sign and the rest of `>2`; without a sign it is `=`."""
    found = _COMPARED.fullmatch(text)
    return (found[1] or "=", found[2]) if found else ("=", text)


@dataclass(frozen=True)
class _Word:
    text: str
    name: str
    value: str
    is_negated: bool


def _words(text: str) -> list[_Word]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            bad = _BARE.match(text, place)
            raise InvalidSearch("quotes", bad[0] if bad else text[place:])
        name, value = match["name"] or "", match["value"]
        if name and name.partition(".")[0].lower() not in _CHECKS:  # a tag, like shop:4
            name, value = "", f"{name}:{value}"
        found.append(_Word(match[0], name, value.strip('"'), bool(match["minus"])))
        place = match.end()
        while place < len(text) and text[place].isspace():
            place += 1
    return found


def _term(word: _Word, known: Known) -> Term:
    if not word.name:
        _refuse_unknown_name(word)
        return Term("", (word.value,), word.is_negated)
    name = word.name.lower() if "." not in word.name else f"args.{word.name.partition('.')[2]}"
    values = tuple(value for value in ([word.value] if name == "error" else word.value.split(",")) if value.strip())
    if not values:
        raise InvalidSearch("empty", word.text, name)
    check = _CHECKS[name.partition(".")[0]]
    return Term(name, tuple(check(word, value, known) for value in values), word.is_negated)


def _refuse_unknown_name(word: _Word) -> None:
    """Refuse `stat:failed`: a name that is nearly one of ours; others may be tags."""
    name, colon, _value = word.value.partition(":")
    if colon and name.lower() in _CHECKS:
        raise InvalidSearch("empty", word.text, name.lower())
    near = get_close_matches(name.lower(), _CHECKS, n=1, cutoff=0.7) if colon else []
    if near:
        raise InvalidSearch("name", word.text, near[0])


def _one_of(problem: str, word: _Word, value: str, names: frozenset[str]) -> str:
    if value in names or value.endswith("*"):
        return value
    near = get_close_matches(value, sorted(names), n=3, cutoff=0.5)
    raise InvalidSearch(problem, word.text, ", ".join(near or sorted(names)[:8]))


def _state(word: _Word, value: str, _known: Known) -> str:
    if value.lower() not in list(State):
        raise InvalidSearch("state", word.text, ", ".join(State))
    return value.lower()


def _queue(word: _Word, value: str, known: Known) -> str:
    return _one_of("queue", word, value, known.queues) if known.queues else value


def _actor(word: _Word, value: str, known: Known) -> str:
    return _one_of("actor", word, value, known.actors) if known.actors else value


def _tenant(word: _Word, value: str, known: Known) -> str:
    if value.isdecimal() and len(value) < 18:
        return value
    by_name = {name.lower(): str(tenant_id) for name, tenant_id in (known.tenants or {}).items()}
    if value.lower() in by_name:
        return by_name[value.lower()]
    raise InvalidSearch("tenant", word.text, ", ".join(sorted(known.tenants or {})[:8]))


def _age(word: _Word, value: str, _known: Known) -> str:
    if span(value) is None:
        raise InvalidSearch("age", word.text, f"{word.name}:90min {word.name}:2h {word.name}:3d")
    return value


def _ran(word: _Word, value: str, _known: Known) -> str:
    sign, rest = compared(value)
    if sign == "=" or span(rest) is None:
        raise InvalidSearch("ran", word.text, f"{word.name}:>5min {word.name}:<2s")
    return value


def _number(word: _Word, value: str, _known: Known) -> str:
    _sign, rest = compared(value)
    if not rest.removeprefix("-").isdecimal() or len(rest) > 5:
        raise InvalidSearch("number", word.text, f"{word.name}:3 {word.name}:>2")
    return value


def _uuid(word: _Word, value: str, _known: Known) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise InvalidSearch("id", word.text) from None


def _replay(word: _Word, value: str, _known: Known) -> str:
    if not value.isdecimal() or len(value) > 18:
        raise InvalidSearch("number", word.text, "replay:12")
    return value


def _any(_word: _Word, value: str, _known: Known) -> str:
    return value


def _argument(word: _Word, value: str, _known: Known) -> str:
    if not word.name.partition(".")[2]:
        raise InvalidSearch("argument", word.text, "args.shop_id:4")
    return value


_CHECKS = {
    "state": _state,
    "queue": _queue,
    "actor": _actor,
    "tenant": _tenant,
    "tag": _any,
    "error": _any,
    "cause": _any,
    "batch": _uuid,
    "replay": _replay,
    "older": _age,
    "newer": _age,
    "ran": _ran,
    "attempt": _number,
    "priority": _number,
    "args": _argument,
}
"""What makes a value of each name; the names are those of a search."""

SEARCH_WORDS = tuple(_CHECKS)
