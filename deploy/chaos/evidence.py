"""What is left when a run has ended, from every place where something was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection


@dataclass(frozen=True)
class FoundJob:
    """A job as the ledger has it in the end."""

    number: int
    job_id: str
    state: str
    attempt: int
    starts: int


@dataclass(frozen=True)
class FoundRun:
    """One run of a job; `start` counts from 1."""

    job_id: str
    start: int
    started_at: datetime
    ended_at: datetime
    outcome: str


@dataclass(frozen=True)
class Evidence:
    """Everything that a run left. Rows and lines: the job's number for each effect that happened."""

    confirmed: frozenset[int]
    """Batches that the producer saw committed."""
    kept: frozenset[int]
    """Batches that the database has."""
    jobs: Sequence[FoundJob]
    runs: Sequence[FoundRun]
    rows: Sequence[int]
    lines: Sequence[int]
    refused_writes: int
    """Ends of runs that were given up before, as the workers' logs tell."""


def gather(*, account: Path, external: Path, log_file: Path) -> Evidence:
    """Return what the load left; what the other parts of the test left has numbers of its own and is not in it."""
    return Evidence(
        confirmed=frozenset(int(line) for line in _lines(account)),
        kept=frozenset(row[0] for row in query("SELECT number FROM chaos_batch")),
        jobs=[FoundJob(*row) for row in query(_JOBS, LOAD_END)],
        runs=[FoundRun(*row) for row in query(_RUNS, LOAD_END)],
        rows=[row[0] for row in query("SELECT number FROM chaos_effect WHERE number < %s", LOAD_END)],
        lines=[number for line in _lines(external) if (number := int(line.split()[0])) < LOAD_END],
        refused_writes=sum("is no longer the one that counts" in line for line in _lines(log_file)),
    )


LOAD_END = 10_000_000  # the load's numbers are below, each probe's are above

_OF_LOAD = "actor LIKE 'chaos.%%' AND (arguments->>'number')::int < %s"
_JOBS = f"""SELECT (arguments->>'number')::int, id::text, state, attempt, fence
    FROM jobs_job WHERE {_OF_LOAD}"""
_RUNS = f"""SELECT job_id::text, jobs_attempt.number, jobs_attempt.started_at, ended_at, outcome
    FROM jobs_attempt JOIN jobs_job ON jobs_job.id = job_id WHERE {_OF_LOAD} ORDER BY job_id, jobs_attempt.number"""


def query(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement with `%s` for each parameter; raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []


def dossier(number: int) -> str:
    """Return all that the ledger knows of a job: its row, and each of its runs."""
    rows = query("SELECT row_to_json(j) FROM jobs_job j WHERE (arguments->>'number')::int = %s", number)
    runs = query(
        """SELECT row_to_json(a) FROM jobs_attempt a JOIN jobs_job j ON j.id = a.job_id
        WHERE (arguments->>'number')::int = %s ORDER BY a.number""",
        number,
    )
    found = [f"  job {row[0]}" for row in rows] or ["  no row in the ledger"]
    return "\n".join([f"number {number}", *found, *(f"  run {run[0]}" for run in runs)])
