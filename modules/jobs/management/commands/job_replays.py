"""`manage.py job_replays`: replays in steps, how far they are, and how to stop them or go on."""

import getpass
import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services
from modules.jobs.models import Replay

ACTIONS: dict[str, Callable[[int], bool]] = {
    "stop": lambda replay_id: services.stop_replay(replay_id, by=getpass.getuser()),
    "resume": services.resume_replay,
    "cancel": services.cancel_replay,
}


class Command(BaseCommand):
    help = "List replays in steps, newest first, or show one; stop it, go on with it, or end it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("replay", nargs="?", type=int, metavar="NUMBER", help="only this one")
        parser.add_argument("--limit", type=int, default=50, help="rows at most (default: 50)")
        parser.add_argument("--json", action="store_true", help="one JSON object for each row")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--stop", action="store_true", help="release no more until it is resumed")
        action.add_argument("--resume", action="store_true", help="go on: 5 of the others, 50, the rest")
        action.add_argument("--cancel", action="store_true", help="end it; the others stay among the dead letters")

    def handle(self, *_args: Any, **options: Any) -> None:
        number = options["replay"]
        wanted = next((name for name in ACTIONS if options[name]), None)
        if wanted and number is None:
            raise CommandError(f"Name the replay: job_replays NUMBER --{wanted}")
        if wanted and not ACTIONS[wanted](number):
            raise CommandError(f"There is no replay {number}, or its state leaves nothing to {wanted}.")
        for replay in self._chosen(number, limit=max(options["limit"], 0)):
            row = replay_row(replay)
            self.stdout.write(json.dumps(row) if options["json"] else _line(row))

    def _chosen(self, number: int | None, *, limit: int) -> list[Replay]:
        if number is None:
            return selectors.newest_replays(limit=limit)
        try:
            return [selectors.get_replay(number)]
        except Replay.DoesNotExist:
            raise CommandError(f"There is no replay {number}; it may have been pruned.") from None


def replay_row(replay: Replay) -> dict[str, Any]:
    """Return what is told of a replay, ready for JSON."""
    return {
        "id": replay.pk,
        "started": replay.started_at.isoformat(timespec="seconds"),
        "by": replay.started_by,
        "what": replay.what,
        "reason": replay.reason,
        "state": replay.state,
        "stopped_for": replay.stopped_for,
        "note": replay.stopped_note,
        "job": str(replay.stopped_job_id) if replay.stopped_job_id else None,
        "step": replay.step,
        "total": replay.total,
        "waiting": replay.waiting,
        "in_flight": replay.in_flight,
        "succeeded": replay.succeeded,
        "failed": replay.failed,
        "cancelled": replay.cancelled,
        "gone": replay.gone,
    }


def _line(row: dict[str, Any]) -> str:
    done = row["total"] - row["waiting"] - row["in_flight"]
    bad = f" ({row['failed']:,} failed again)" if row["failed"] else ""
    why = f": {row['stopped_for']}, {row['job'] or ''} {row['note']}".rstrip() if row["stopped_for"] else ""
    progress = f"step {row['step']}  {done:,}/{row['total']:,}{bad}"
    return f"#{row['id']}  {row['started']}  {row['state']}{why}  {progress}  {row['what']}"
