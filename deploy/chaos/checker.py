"""Holds what a run left against what it was meant to leave; knows nothing of how the system works."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from deploy.chaos.evidence import Evidence, FoundRun
from deploy.chaos.plan import GUILTY, MAX_ATTEMPTS, MAX_CRASHES, Batch, Kind
from deploy.chaos.report import Verdict

ENDED = {"succeeded", "failed", "cancelled", "quarantined"}
EXTERNAL_SHARE = 0.001  # of the external effects may happen twice
EXTERNAL_LEAST = 3  # ... or so many: a small run's share would be a fraction of one


class Checker:
    """The invariants R1 to R6 of one run."""

    def __init__(self, batches: Sequence[Batch], evidence: Evidence) -> None:
        self._evidence = evidence
        self._kinds = {job.number: job.kind for batch in batches if not batch.is_rolled_back for job in batch.jobs}
        self._doomed = {job.number for batch in batches if batch.is_rolled_back for job in batch.jobs}
        self._kept = {batch.number for batch in batches if not batch.is_rolled_back}
        self._rows, self._lines = Counter(evidence.rows), Counter(evidence.lines)
        self._runs: dict[str, list[FoundRun]] = {}
        for run in evidence.runs:
            self._runs.setdefault(run.job_id, []).append(run)

    def verdicts(self) -> list[Verdict]:
        """Return all of them."""
        checks = (self.lost, self.done_twice, self.called_twice, self.ghosts, self.dead, self.overlapping)
        return [check() for check in checks]

    def lost(self) -> Verdict:
        """Each committed job ended, and each that succeeded had its effect."""
        ended = {job.number: job.state for job in self._evidence.jobs if job.state in ENDED}
        offenders = [number for number in self._kinds if self._is_lost(number, ended.get(number))]
        unconfirmed = self._kept - (self._evidence.confirmed & self._evidence.kept)
        return Verdict(
            code="R1",
            claim="no committed job is lost",
            figure=f"{len(offenders)} of {len(self._kinds):,} lost, {len(unconfirmed)} transactions missing",
            holds=not offenders and not unconfirmed,
            offenders=offenders,
        )

    def _is_lost(self, number: int, state: str | None) -> bool:
        if state in {None, "cancelled"}:
            return True
        effects = self._lines if self._kinds[number] is Kind.EXTERNAL else self._rows
        return state == "succeeded" and effects[number] == 0

    def done_twice(self) -> Verdict:
        """No row was written twice."""
        offenders = _repeated(self._rows)
        return Verdict(
            code="R2",
            claim="no effect in the database happens twice",
            figure=f"{len(offenders)} of {len(self._rows):,} twice",
            holds=not offenders,
            offenders=offenders,
        )

    def called_twice(self) -> Verdict:
        """A call to another system was repeated rarely, and only where a run had broken off."""
        repeated = _repeated(self._lines)
        total = sum(self._lines[number] - 1 for number in repeated)
        runs = {job.number: len(self._runs.get(job.job_id, [])) for job in self._evidence.jobs}
        unexplained = [number for number in repeated if self._lines[number] > runs.get(number, 0)]
        crashes = sum(run.outcome == "crashed" for run in self._evidence.runs)
        allowed = max(EXTERNAL_LEAST, math.ceil(len(self._lines) * EXTERNAL_SHARE))
        return Verdict(
            code="R3",
            claim="calls to other systems happen twice only after a crash",
            figure=f"{total} of {len(self._lines):,} twice ({allowed} allowed, {crashes} crashed runs)",
            holds=not unexplained and total <= min(allowed, crashes),
            offenders=repeated,
        )

    def ghosts(self) -> Verdict:
        """Nothing is left of what was rolled back, and a unique key made one job."""
        jobs = Counter(job.number for job in self._evidence.jobs)
        left = [*jobs, *self._rows, *self._lines]
        offenders = sorted({number for number in left if number in self._doomed}) + _repeated(jobs)
        return Verdict(
            code="R4",
            claim="nothing that was rolled back runs, a unique key is one job",
            figure=f"{len(offenders)} of {len(self._doomed):,} ran",
            holds=not offenders,
            offenders=offenders,
        )

    def dead(self) -> Verdict:
        """Dead letters are the guilty, all of them, each after as many attempts as it has."""
        guilty = {number for number, kind in self._kinds.items() if kind in GUILTY}
        dead = {job.number for job in self._evidence.jobs if job.state in {"failed", "quarantined"}}
        treated = [job.number for job in self._evidence.jobs if self._is_wronged(job.number, job.attempt, job.starts)]
        offenders = sorted((guilty ^ dead) | set(treated))
        return Verdict(
            code="R5",
            claim="dead letters are exactly the jobs that cannot succeed",
            figure=f"{len(dead & guilty)} of {len(guilty)} guilty, {len(dead - guilty)} innocent, "
            f"{len(treated)} after a wrong number of attempts",
            holds=not offenders,
            offenders=offenders,
        )

    def _is_wronged(self, number: int, attempt: int, starts: int) -> bool:
        match self._kinds.get(number):
            case Kind.ALWAYS_FAIL:
                return attempt != MAX_ATTEMPTS
            case Kind.POISON:
                return starts > MAX_CRASHES + 1
            case _:
                return False

    def overlapping(self) -> Verdict:
        """No two runs of a job were at it at the same time, and no job succeeded twice."""
        numbers = {job.job_id: job.number for job in self._evidence.jobs}
        offenders = [numbers[job_id] for job_id, runs in self._runs.items() if _overlap(runs)]
        return Verdict(
            code="R6",
            claim="no two runs of one job both write",
            figure=f"{len(offenders)} overlap, {self._evidence.refused_writes} late writes refused",
            holds=not offenders,
            offenders=offenders,
        )


def _repeated(counts: Counter[int]) -> list[int]:
    return sorted(number for number, count in counts.items() if count > 1)


def _overlap(runs: Iterable[FoundRun]) -> bool:
    ordered = sorted(runs, key=lambda run: run.start)
    early = any(later.started_at < earlier.ended_at for earlier, later in pairwise(ordered))
    return early or sum(run.outcome == "succeeded" for run in ordered) > 1
