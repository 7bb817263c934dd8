"""A reusable app's tasks, written without a word about the ledger."""

import os
import time
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import connection
from django_tasks import TaskContext, task

done: list[Any] = []


class Unlucky(Exception):
    """An error of the app's own."""


@task
def add(left: int, right: int = 1) -> int:
    done.append((left, right))
    return left + right


@task(queue_name="low", priority=7)
def shout(word: str) -> str:
    done.append(word)
    return word.upper()


@task
async def add_later(left: int, right: int) -> int:
    return left + right


@task
def fail(message: str) -> None:
    done.append(message)
    raise Unlucky(message)


@task(takes_context=True)
def tell(context: TaskContext, word: str) -> dict[str, Any]:
    result = context.task_result
    return {"attempt": context.attempt, "id": result.id, "status": result.status, "word": word}


@task
def whose() -> list[int]:
    """Return the tenants that this task may see."""
    from modules.kernel.tenancy import tenants_in_scope

    return sorted(tenants_in_scope() or ())


@task
def ends_well(value: str) -> Any:
    """Return what JSON holds only in another form, or not at all."""
    return {"tuple": (1, 2), "date": date(2026, 1, 1), "nan": float("nan"), "nul": "\0"}[value]


@task
def write(word: str, seconds: float) -> None:
    time.sleep(seconds)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO tests_effect (word, pid) VALUES (%s, %s)", [word, os.getpid()])


def no_task(words: Iterable[str] = ()) -> None:
    done.append("never")
