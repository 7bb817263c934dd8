"""Replays in steps."""

from django.db.models import QuerySet

from modules.jobs.models import Replay

BY_API = "API: "  # begins the name of who started it; no user's name has a colon


def newest_replays(*, limit: int) -> list[Replay]:
    """Return the newest replays in steps, newest first."""
    return list(Replay.objects.order_by("-id")[:limit])


def get_replay(replay_id: int) -> Replay:
    """Return the replay; raises Replay.DoesNotExist."""
    return Replay.objects.get(id=replay_id)


def failed_replays(*, limit: int) -> list[Replay]:
    """Return at most `limit` replays that stopped because a job failed again and wait for somebody, newest first."""
    failed = [Replay.Stop.SAME_CAUSE, Replay.Stop.OTHER_CAUSE]
    return list(Replay.objects.filter(state=Replay.State.STOPPED, stopped_for__in=failed).order_by("-id")[:limit])


def tenant_replays(*, tenant_id: int, before: int | None, limit: int) -> list[Replay]:
    """Return at most `limit` of the replays that the tenant began, newest first; older ones than `before` if given."""
    found = _of_tenant(tenant_id)
    if before is not None:
        found = found.filter(id__lt=before)
    return list(found.order_by("-id")[:limit])


def get_tenant_replay(replay_id: int, *, tenant_id: int) -> Replay:
    """Return a replay that the tenant began; raises Replay.DoesNotExist, for another's and an operator's too."""
    return _of_tenant(tenant_id).get(id=replay_id)


def _of_tenant(tenant_id: int) -> "QuerySet[Replay]":
    return Replay.objects.filter(tenant_ids=[tenant_id], started_by__startswith=BY_API)
