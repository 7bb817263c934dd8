"""What the platform tells the modules above it, after commit. A receiver's failure never breaks a job."""

from django.dispatch import Signal

jobs_moved = Signal()
"""Jobs changed state. move: str (a Move's name); jobs: list[MovedJob], at least one."""

schedule_fired = Signal()
"""A schedule's job was sent. schedule: str (its key); job_id: UUID."""

schedule_held_back = Signal()
"""A due time sent no job, because the last one goes on. schedule: str (its key); job_id: UUID (the last one's)."""

alert_opened = Signal()
"""An incident began. alert_id: int; rule: str (its key); subject: str."""

alert_closed = Signal()
"""An incident is over. alert_id: int; rule: str (its key); subject: str."""
