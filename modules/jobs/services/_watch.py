"""What some process does once in a while: count the runs, look for what is wrong, go on with replays."""

from datetime import datetime, timedelta

from modules.jobs.services._alerts import evaluate_alerts
from modules.jobs.services._figures import count_runs, take_turn
from modules.jobs.services._replays import continue_replays

COUNT_EVERY = timedelta(seconds=5)
EVALUATE_EVERY = timedelta(minutes=1)


def keep_watch(*, now: datetime) -> None:
    """Count, evaluate and replay when it is time to, in one of the processes that call this; safe at any time.

    Workers do, not the scheduler's tick: a scheduler that died is one of the things to be told.
    """
    if take_turn("counted_at", every=COUNT_EVERY, now=now):
        count_runs()
    if take_turn("evaluated_at", every=EVALUATE_EVERY, now=now):
        evaluate_alerts(now=now)
    continue_replays()
