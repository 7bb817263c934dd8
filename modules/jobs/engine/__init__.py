"""What a module needs to have jobs: `actor` to declare them, `context` to speak from inside one."""

from modules.jobs.engine import context
from modules.jobs.engine.actor import JobActor, actor
from modules.jobs.engine.isolation import run_isolated
from modules.jobs.engine.worker import WorkerLife

__all__ = ["JobActor", "WorkerLife", "actor", "context", "run_isolated"]
