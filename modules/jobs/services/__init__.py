"""Every change to the ledger: send, run, dispatch, schedule, control. Other modules call these and no table."""

from modules.jobs.services._alerts import evaluate_alerts, monitor_queues, notify, set_webhook, sync_alert_rules
from modules.jobs.services._answers import Answer, KeyReused, StillAnswering, answer_once, prune_answers
from modules.jobs.services._batches import OpenBatch, batch, cancel_batch, prune_batches, settle_batches
from modules.jobs.services._bells import QUARANTINE
from modules.jobs.services._by_hand import next_bell
from modules.jobs.services._changes import CHANGEABLE, CannotChange, change_arguments
from modules.jobs.services._control import cancel, discard, discard_matching, prune, replay, replay_matching
from modules.jobs.services._dispatch import Pass, dispatch
from modules.jobs.services._enqueue import JobExists, chain, enqueue, enqueue_many
from modules.jobs.services._figures import count_runs, note_tick, prune_figures, take_turn
from modules.jobs.services._gates import Candidate, pause, read_gates, remove_limit, resume, set_limit
from modules.jobs.services._ledger import Ending, MovedJob, move
from modules.jobs.services._members import BatchClosed
from modules.jobs.services._replays import (
    NothingToReplay,
    cancel_replay,
    continue_replays,
    prune_replays,
    resume_replay,
    start_replay,
    stop_replay,
)
from modules.jobs.services._requests import JobRequest
from modules.jobs.services._run import (
    Claim,
    LostFence,
    Success,
    claim,
    claim_many,
    fail,
    may_go_on,
    release,
    report_progress,
    retry,
    save_checkpoint,
    snooze,
    stop,
    succeed,
    succeed_many,
)
from modules.jobs.services._schedules import (
    change_schedule,
    create_schedule,
    delete_schedule,
    fire_due_schedules,
    run_schedule_now,
    schedule_problems,
    sync_schedules,
    timetable_problems,
)
from modules.jobs.services._texts import due_note
from modules.jobs.services._watch import keep_watch
from modules.jobs.services._why import Reason, why
from modules.jobs.services._workers import (
    ask_restart,
    count_old_workers,
    is_restart_asked,
    register_worker,
    release_strays,
    retire_worker,
)

__all__ = [
    "CHANGEABLE",
    "QUARANTINE",
    "Answer",
    "BatchClosed",
    "Candidate",
    "CannotChange",
    "Claim",
    "Ending",
    "JobExists",
    "JobRequest",
    "KeyReused",
    "LostFence",
    "MovedJob",
    "NothingToReplay",
    "OpenBatch",
    "Pass",
    "Reason",
    "StillAnswering",
    "Success",
    "answer_once",
    "ask_restart",
    "batch",
    "cancel",
    "cancel_batch",
    "cancel_replay",
    "chain",
    "change_arguments",
    "change_schedule",
    "claim",
    "claim_many",
    "continue_replays",
    "count_old_workers",
    "count_runs",
    "create_schedule",
    "delete_schedule",
    "discard",
    "discard_matching",
    "dispatch",
    "due_note",
    "enqueue",
    "enqueue_many",
    "evaluate_alerts",
    "fail",
    "fire_due_schedules",
    "is_restart_asked",
    "keep_watch",
    "may_go_on",
    "monitor_queues",
    "move",
    "next_bell",
    "note_tick",
    "notify",
    "pause",
    "prune",
    "prune_answers",
    "prune_batches",
    "prune_figures",
    "prune_replays",
    "read_gates",
    "register_worker",
    "release",
    "release_strays",
    "remove_limit",
    "replay",
    "replay_matching",
    "report_progress",
    "resume",
    "resume_replay",
    "retire_worker",
    "retry",
    "run_schedule_now",
    "save_checkpoint",
    "schedule_problems",
    "set_limit",
    "set_webhook",
    "settle_batches",
    "snooze",
    "start_replay",
    "stop",
    "stop_replay",
    "succeed",
    "succeed_many",
    "sync_alert_rules",
    "sync_schedules",
    "take_turn",
    "timetable_problems",
    "why",
]
