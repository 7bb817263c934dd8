"""Jobs by the words of a search, worded as the ledger's partial indexes, so that what is rare is found at once."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from modules.jobs.domain import DEAD_LETTERS, WAITING, State, Term, compared, span
from modules.jobs.models import Job, ReplayedJob

LOOKED_AT = 50_000
"""Newest jobs that a search looks at for what no index knows: arguments, attempts, how long they ran."""

_QUEUED = (
    Q(state=State.QUEUED, dispatched_at__isnull=True, crashes=0),
    Q(state=State.QUEUED, dispatched_at__isnull=False),
    Q(state=State.QUEUED, crashes__gt=0),
)
_ALIVE = (*_QUEUED, Q(state__in=WAITING), Q(state=State.RUNNING))
_SIGNS = {"=": "", ">": "__gt", "<": "__lt"}


def in_state(state: str) -> Q:
    """Return the jobs in one state, worded as the indexes of those that wait."""
    return _QUEUED[0] | _QUEUED[1] | _QUEUED[2] if state == State.QUEUED else Q(state=state)


def with_column(**condition: Any) -> Q:
    """Return the jobs with this actor or queue: the ended ones by an index of their own, the others by state."""
    found = Q(**condition, finished_at__isnull=False)
    for part in _ALIVE:
        found |= Q(**condition) & part
    return found


def search_jobs(jobs: "QuerySet[Job]", terms: Sequence[Term], *, now: datetime) -> "QuerySet[Job]":
    """Return those of `jobs` that every word fits; `now` is what `older:2h` counts from.

    Words that no index knows look at the newest LOOKED_AT of `jobs` alone: `is_partial` tells.
    """
    if is_partial(terms):
        jobs = _newest(jobs)
    jobs = _with_duration(jobs) if any(term.name == "ran" for term in terms) else jobs
    for term in terms:
        condition = _condition(term, now)
        jobs = jobs.exclude(condition) if term.is_negated else jobs.filter(condition)
    return jobs


def is_partial(terms: Sequence[Term]) -> bool:
    """Return whether a search looks at the newest jobs alone: nothing in it is in an index."""
    return any(_is_slow(term) for term in terms) and not any(_narrows(term) for term in terms)


def _is_slow(term: Term) -> bool:
    return term.name in {"attempt", "priority", "ran"} or term.name.startswith("args.")


def _narrows(term: Term) -> bool:
    """Return whether a word leaves few jobs, found by an index."""
    if term.is_negated:
        return False
    return term.name in {"cause", "batch", "replay", "error"} or (
        term.name == "state" and State.SUCCEEDED not in term.values
    )


def _newest(jobs: "QuerySet[Job]") -> "QuerySet[Job]":
    first = jobs.order_by("-id").values_list("id", flat=True)[LOOKED_AT : LOOKED_AT + 1].first()
    return jobs if first is None else jobs.filter(id__gt=first)


def _condition(term: Term, now: datetime) -> Q:
    if not term.name:
        return by_word(term.values[0])
    if term.name.startswith("args."):
        return _any_of(term.values, lambda value: _argument(term.name, value))
    # What is left out is looked for in the other words' jobs, by no index of its own.
    make = (_PLAIN if term.is_negated else _CONDITIONS).get(term.name) or _CONDITIONS[term.name]
    return _any_of(term.values, lambda value: make(value, now))


def _any_of(values: Sequence[str], make: Callable[[str], Q]) -> Q:
    found = make(values[0])
    for value in values[1:]:
        found |= make(value)
    return found


def by_word(word: str) -> Q:
    """Return the jobs with this id, or an id that begins so, this tag, or an actor whose name begins so."""
    digits = word.replace("-", "")
    if 8 <= len(word) <= 36 and len(digits) <= 32 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
        first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        return Q(id__gte=first, id__lte=last) | _tagged(word)
    return _tagged(word) if ":" in word else _tagged(word) | with_column(actor__startswith=word)


def _tagged(word: str) -> Q:
    # The index on tags leaves out jobs without any; PostgreSQL uses it only for a query that says so, too.
    return Q(tags__contains=[word]) & ~Q(tags=[])


def _named(column: str, value: str) -> Q:
    if value.endswith("*"):
        return with_column(**{f"{column}__startswith": value.rstrip("*")})
    return with_column(**{column: value})


def _plain(column: str, value: str) -> Q:
    return Q(**{f"{column}__startswith": value.rstrip("*")} if value.endswith("*") else {column: value})


def _failed_for(value: str) -> Q:
    """Return the jobs whose last error is of this type, or has this text."""
    return _with_error(Q(error_type__icontains=value.rstrip("*")) | Q(error_message__icontains=value))


def _with_error(about: Q) -> Q:
    """Return the jobs whose error is so; those that succeeded have none."""
    found = about & Q(state__in=DEAD_LETTERS)
    for part in (*_ALIVE, Q(state=State.CANCELLED)):
        found |= about & part
    return found


def _of_replay(value: str) -> Q:
    return Q(id__in=ReplayedJob.objects.filter(replay_id=int(value)).values("job_id"))


def _since(value: str, now: datetime) -> UUID:
    """Return the smallest id of a time: ids begin with theirs."""
    age = span(value) or timedelta(0)
    return UUID(int=max(0, int((now - age).timestamp() * 1000)) << 80)


def _ran(value: str) -> Q:
    sign, rest = compared(value)
    # Compared with an interval by the database; a job that never started has no end of a run either.
    return Q(started_at__isnull=False, **{f"took{_SIGNS[sign]}": span(rest)})


def _number(column: str, value: str) -> Q:
    sign, rest = compared(value)
    return Q(**{f"{column}{_SIGNS[sign]}": int(rest)})


def _argument(name: str, value: str) -> Q:
    path = name.partition(".")[2].split(".")
    found = Q()
    for one in _readings(value):
        nested: Any = one
        for part in reversed(path):
            nested = {part: nested}
        found |= Q(arguments__contains=nested)
    return found


def _readings(value: str) -> list[Any]:
    """Return what a written value may stand for in JSON: `4` is a number or a text."""
    try:
        read = json.loads(value)
    except ValueError:
        return [value]
    return [read, value] if not isinstance(read, str) else [read]


def _with_duration(jobs: "QuerySet[Job]") -> "QuerySet[Job]":
    """Return the jobs with `took`: how long the last run took, or takes until now where it goes on."""
    taken = ExpressionWrapper(Coalesce("finished_at", Now()) - F("started_at"), output_field=DurationField())
    return jobs.alias(took=taken)


_CONDITIONS: dict[str, Callable[[str, datetime], Q]] = {
    "state": lambda value, _now: in_state(value),
    "queue": lambda value, _now: _named("queue", value),
    "actor": lambda value, _now: _named("actor", value),
    "tenant": lambda value, _now: Q(tenant_id=int(value)),
    "tag": lambda value, _now: _tagged(value),
    "error": lambda value, _now: _failed_for(value),
    "cause": lambda value, _now: _with_error(Q(fingerprint=value)),
    "batch": lambda value, _now: Q(batch_id=value),
    "replay": lambda value, _now: _of_replay(value),
    "older": lambda value, now: Q(id__lt=_since(value, now)),
    "newer": lambda value, now: Q(id__gte=_since(value, now)),
    "ran": lambda value, _now: _ran(value),
    "attempt": lambda value, _now: _number("attempt", value),
    "priority": lambda value, _now: _number("priority", value),
}

_PLAIN: dict[str, Callable[[str, datetime], Q]] = {
    "state": lambda value, _now: Q(state=value),
    "queue": lambda value, _now: _plain("queue", value),
    "actor": lambda value, _now: _plain("actor", value),
    "error": lambda value, _now: Q(error_type__icontains=value.rstrip("*")) | Q(error_message__icontains=value),
    "cause": lambda value, _now: Q(fingerprint=value),
}
