"""What the platform measures of itself, and which of it is worth waking somebody for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from modules.jobs.domain.life import Outcome

# Upper bounds in seconds, from a cache look-up to an import of a night. They are columns of arrays in the
# database: a change needs a migration that empties jobs_runtotal and jobs_runminute.
DURATION_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
FAILURES = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED)
"""Runs that went wrong; one that was given back, cancelled or snoozed did not."""


class AlertKind(StrEnum):
    """What a rule looks at; the comment says what an incident's subject and value are."""

    FAILURES_IN_ROW = "failures_in_row"  # actor; runs in a row
    QUEUE_LENGTH = "queue_length"  # queue; ready jobs
    QUEUE_WAIT = "queue_wait"  # queue; seconds that the oldest ready job waits
    JOB_RUNS_LONG = "job_runs_long"  # actor and job id; seconds
    SCHEDULE_MISSED = "schedule_missed"  # schedule; seconds late, 0 when it cannot run at all
    NO_WORKER = "no_worker"  # queue; ready jobs
    QUARANTINED = "quarantined"  # actor; jobs
    REPLAY_STOPPED = "replay_stopped"  # number and name of a replay; jobs that failed again
    JOB_WAITS_LONG = "job_waits_long"  # actor; seconds since the oldest one was sent
    QUEUE_MONITOR = "queue_monitor"  # queue; ready jobs, as `manage.py queue_monitor` found them


class Channel(StrEnum):
    """Where an incident is told; the log has every incident anyway."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class InvalidRule(ValueError):
    """A rule's parameters make no sense; the message names the wrong one and the right ones."""


LIMITS: Mapping[AlertKind, Mapping[str, int]] = {
    AlertKind.FAILURES_IN_ROW: {"times": 3},
    AlertKind.QUEUE_LENGTH: {"over": 1000},
    AlertKind.QUEUE_WAIT: {"seconds": 900},
    AlertKind.JOB_RUNS_LONG: {"seconds": 600},
    AlertKind.SCHEDULE_MISSED: {"seconds": 300},
    AlertKind.NO_WORKER: {"seconds": 60},
    AlertKind.QUARANTINED: {"over": 0},
    AlertKind.REPLAY_STOPPED: {"over": 0},
    AlertKind.JOB_WAITS_LONG: {"seconds": 3 * 24 * 3600},
    AlertKind.QUEUE_MONITOR: {},
}
"""The one number of each kind, with its default. `seconds` of NO_WORKER is how long a job has waited by then."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule as the code declares it; an operator's changes are kept apart and win."""

    key: str
    kind: AlertKind
    channels: tuple[Channel, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)


PLATFORM_RULES = (
    Rule(key="jobs.failures_in_row", kind=AlertKind.FAILURES_IN_ROW, channels=(Channel.EMAIL,)),
    Rule(key="jobs.queue_length", kind=AlertKind.QUEUE_LENGTH, channels=(Channel.WEBHOOK,)),
    Rule(key="jobs.queue_wait", kind=AlertKind.QUEUE_WAIT, channels=(Channel.EMAIL,)),
    Rule(key="jobs.job_runs_long", kind=AlertKind.JOB_RUNS_LONG),
    Rule(key="jobs.schedule_missed", kind=AlertKind.SCHEDULE_MISSED, channels=(Channel.EMAIL,)),
    Rule(key="jobs.no_worker", kind=AlertKind.NO_WORKER, channels=(Channel.EMAIL, Channel.WEBHOOK)),
    Rule(key="jobs.quarantined", kind=AlertKind.QUARANTINED, channels=(Channel.EMAIL,)),
    Rule(key="jobs.replay_stopped", kind=AlertKind.REPLAY_STOPPED, channels=(Channel.EMAIL,)),
    Rule(key="jobs.job_waits_long", kind=AlertKind.JOB_WAITS_LONG, channels=(Channel.EMAIL,)),
    Rule(key="jobs.queue_monitor", kind=AlertKind.QUEUE_MONITOR, channels=(Channel.WEBHOOK,)),
)


def rule_params(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with defaults filled in; `only` lists the subjects that count, all when empty.

    Raises InvalidRule for a kind that there is not, a name that it does not know, a number below 0, or an `only` of
    anything but text.
    """
    if kind not in list(AlertKind):  # a newer version's, while it is being deployed
        raise InvalidRule(f"This version knows no rule of the kind {kind!r}.")
    known: dict[str, Any] = {**LIMITS[AlertKind(kind)], "only": []}
    if strange := sorted(set(params) - set(known)):
        raise InvalidRule(f"{kind} knows no {strange[0]!r}; it takes {', '.join(sorted(known))}.")
    filled = {**known, **params}
    if not isinstance(filled["only"], list) or not all(isinstance(name, str) for name in filled["only"]):
        raise InvalidRule("'only' is a list of names.")
    for name in LIMITS[AlertKind(kind)]:
        if not isinstance(filled[name], int) or isinstance(filled[name], bool) or filled[name] < 0:
            raise InvalidRule(f"{name!r} is a whole number of at least 0.")
    return filled
