"""Replays in steps."""

from modules.jobs.models import Replay


def newest_replays(*, limit: int) -> list[Replay]:
    """Return the newest replays in steps, newest first."""
    return list(Replay.objects.order_by("-id")[:limit])


def get_replay(replay_id: int) -> Replay:
    """Return the replay; raises Replay.DoesNotExist."""
    return Replay.objects.get(id=replay_id)
