"""What the platform tells the modules above it, after commit. A receiver's failure never breaks a job."""

from django.dispatch import Signal

jobs_moved = Signal()
"""Jobs changed state. move: str (a Move's name); jobs: list[MovedJob], at least one."""

alert_opened = Signal()
"""An incident began. alert_id: int; rule: str (its key); subject: str."""

alert_closed = Signal()
"""An incident is over. alert_id: int; rule: str (its key); subject: str."""
