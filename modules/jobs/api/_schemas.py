"""What travels: bodies in and out, in camelCase. What is wrong is refused with the field's name."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from modules.jobs.domain import Outcome, State
from modules.jobs.domain.schedules import ALIASES

MAX_DEPTH = 32  # of lists and objects inside each other
MAX_DELAY = timedelta(days=366)
TEXT = r"^[^\x00-\x1f\x7f]+$"

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=TEXT)]
Milliseconds = Annotated[int, Field(ge=0, le=int(MAX_DELAY / timedelta(milliseconds=1)))]


def _written(value: Any) -> Any:
    if not isinstance(value, str) or not re.match(r"^2[01]\d\d-\d\d-\d\dT", value):
        raise ValueError("write a time with its zone, like 2026-11-23T14:00:00Z")
    return value


def _shallow(data: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [data]
    for _depth in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return data
    raise ValueError(f"at most {MAX_DEPTH} lists and objects may be inside each other")


def _inside(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [item for item in inner if isinstance(item, dict | list)]


def _cron_line(cron: str) -> str:
    if len(cron.split()) != 5 and cron.strip().lower() not in ALIASES:
        raise ValueError("write five fields, like 30 2 * * 1-5")
    return cron


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written)]
Data = Annotated[dict[str, Any], AfterValidator(_shallow)]
Overlap = Literal["skip", "queue", "allow"]
CatchUp = Literal["none", "one", "all"]
SkippedHour = Literal["next", "skip"]
DoubledHour = Literal["first", "second", "both"]
DayOff = Literal["run", "skip", "move"]
Country = Annotated[str, StringConstraints(max_length=2)]
Cron = Annotated[str, StringConstraints(max_length=100, pattern=TEXT), AfterValidator(_cron_line)]


class Body(BaseModel):
    """What a request brings; unknown fields and other types are refused, not guessed."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class Options(Body):
    """How a job is to be run; what is left out, its type decides."""

    priority: int | None = Field(default=None, ge=0, le=100, description="Lower runs first.")
    attempts: int | None = Field(default=None, ge=1, le=25, description="Runs at most, the first one included.")
    delay: Milliseconds | None = Field(default=None, description="Milliseconds to wait before the first run.")
    unique_key: Text | None = Field(default=None, description="While an unfinished job has it, that job is the answer.")
    tags: list[Text] = Field(default=[], max_length=20)


class JobIn(Body):
    """A job to be run now."""

    type: Text = Field(examples=["file-analysis"])
    data: Data = Field(default={}, description="The job's arguments.")
    options: Options = Field(default_factory=Options)


class ScheduledJobIn(JobIn):
    """A job to be run once, later: after `delay` or at `runAt`."""

    delay: Milliseconds | None = Field(default=None, description="Milliseconds from now.")
    run_at: Time | None = Field(default=None, description="With its zone; a time that has passed means now.")

    @model_validator(mode="after")
    def _has_one_time(self) -> Self:
        if (self.delay is None) == (self.run_at is None) or self.options.delay is not None:
            raise ValueError("give either delay (milliseconds) or runAt, beside type and data")
        return self


class DataIn(Body):
    """Other data for a job that waits or has failed."""

    data: Data = Field(description="All of the job's arguments; a value that was shown hidden may stay hidden.")
    reason: Annotated[Text, StringConstraints(max_length=300)] = Field(description="Why; kept with the change.")


class RecurringJobIn(Body):
    """A job to be run again and again."""

    type: Text
    data: Data = {}
    cron: Cron = Field(examples=["0 2 * * *"], description="Five fields, or @hourly, @daily, @weekly, @monthly.")
    timezone: Annotated[Text, StringConstraints(max_length=60)] | None = Field(
        default=None, examples=["Europe/Prague"], description="The installation's own unless given."
    )
    overlap: Overlap = Field(
        default="skip",
        description="While the run before has not ended: leave out, wait for its end (one at most), run.",
    )
    catch_up: CatchUp = Field(default="one", description="Which of the runs missed in an outage of up to a week come.")
    skipped_hour: SkippedHour = Field(
        default="next", description="A fixed time in the hour that the clocks skip: right after it, or not at all."
    )
    doubled_hour: DoubledHour = Field(
        default="first", description="A fixed time in the hour that comes twice: in which of them."
    )
    on_day_off: DayOff = Field(
        default="run", description="On days off: run, leave out, or move to the next working day."
    )
    country: Country = Field(default="", examples=["CZ"], description="Whose public holidays are days off.")
    are_weekends_off: bool = Field(default=False, description="Saturdays and Sundays are days off.")


class Out(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class Progress(Out):
    done: int
    total: int | None
    percent: float | None
    message: str


class Error(Out):
    type: str
    message: str


class AttemptOut(Out):
    number: int
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    error: Error | None


class JobOut(Out):
    """A job as it is now."""

    id: str
    type: str
    queue: str
    state: State
    priority: int
    attempts_made: int
    max_attempts: int
    progress: Progress | None
    error: Error | None
    tags: list[str]
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None


class JobDetail(JobOut):
    """A job with what it was given, what it gave back, and its newest runs; secrets are masked."""

    data: dict[str, Any]
    result: Any
    attempts: list[AttemptOut]


class JobPage(Out):
    """Jobs, newest first; `nextCursor` is null on the last page."""

    jobs: list[JobOut]
    next_cursor: str | None


class RecurringOut(Out):
    """A recurring job; `problem` says why it does not run, when it does not."""

    id: str
    type: str
    data: dict[str, Any]
    cron: str
    timezone: str
    overlap: str
    catch_up: str
    skipped_hour: str
    doubled_hour: str
    on_day_off: str
    country: str
    are_weekends_off: bool
    waiting_since: datetime | None = Field(description="The due time that waits for the last run's end.")
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_job_id: str | None
    problem: str | None


class RecurringList(Out):
    recurring: list[RecurringOut]


class Figures(Out):
    """One type's jobs."""

    name: str
    active: int = Field(description="Running now.")
    waiting: int = Field(description="Ready to run.")
    delayed: int = Field(description="For later: scheduled, or resting before the next attempt.")
    failed: int = Field(description="In the dead letters now.")
    failed_rate: float = Field(description="Percent of the jobs that ended in the last 24 hours.")
    paused: bool = Field(description="The type, its queue or the tenant is.")
    throughput: int = Field(description="Jobs that succeeded in the last hour.")


class FiguresList(Out):
    metrics: list[Figures]


class HealthFigures(Out):
    name: str
    active: int
    failed: int
    failed_rate: float
    paused: bool


class Health(Out):
    """How the tenant's jobs do; `reasons` is there only when the status is not healthy."""

    status: str = Field(json_schema_extra={"enum": ["healthy", "degraded"]})
    queues: int
    total_jobs: int
    metrics: list[HealthFigures]
    reasons: list[str] | None = None
