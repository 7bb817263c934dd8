"""The invariants that are about one thing going wrong in an otherwise calm system, and about none at all."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from statistics import quantiles

from redis import RedisError

from deploy.chaos.evidence import LOAD_END, query
from deploy.chaos.meter import Meter
from deploy.chaos.plan import Kind, PlannedJob, Size
from deploy.chaos.report import Verdict
from deploy.chaos.rig import LEASE_SECONDS, MASTERS, SHUTDOWN_SECONDS, WORKERS, Rig
from deploy.chaos.sending import send

GRACE_SECONDS = 3  # what a start may be late beyond the lease
FLUSH_SECONDS = 10
SILENT_MS = 300  # what a send takes at most while Redis is there and does not answer


class Probes:
    """Each method is one part of the test; it leaves the system calm."""

    def __init__(self, rig: Rig, size: Size) -> None:
        self._rig, self._size = rig, size
        self._numbers = count(LOAD_END)

    def one_by_one(self) -> list[Callable[[], Verdict]]:
        """Return the parts in which one thing goes wrong."""
        return [self.killed_once, self.flushed, self.away, self.full, self.rolling]

    def control(self) -> Verdict:
        """R13: no faults: the rate, from an empty ledger to the last end."""
        jobs = self._jobs(self._size.control_jobs)
        with Meter(self._rig.data) as meter:
            self._send_in_batches(jobs)
            self._settle(jobs)
        rate, cost = len(jobs) / meter.seconds, meter.cpu_seconds / len(jobs) * 1_000
        crashed = query("SELECT count(*) FROM jobs_attempt WHERE outcome = %s", "crashed")[0][0]
        return Verdict(
            code="R13",
            claim=f"undisturbed: at least {self._size.rate} jobs a second, no crash seen",
            figure=f"{rate:,.0f} jobs a second, {crashed} crashes; {cost:.1f} ms of CPU each, "
            f"others took {meter.foreign:.0%}",
            holds=rate >= self._size.rate * (1 - meter.foreign) and crashed == 0 and not self._wrong(jobs),
            offenders=self._wrong(jobs),
        )

    def killed_once(self) -> Verdict:
        """R8: how long a job waits for its next start after the death of its worker's whole tree."""
        waits = [
            self._kill_one(name) for name, _ in zip(WORKERS * self._size.kills, range(self._size.kills), strict=False)
        ]
        limit = LEASE_SECONDS + GRACE_SECONDS
        return Verdict(
            code="R8",
            claim=f"a killed worker's job starts again within {limit} s",
            figure=", ".join(f"{wait:.1f}" for wait in waits) + " s",
            holds=max(waits) <= limit,
        )

    def _kill_one(self, other: str) -> float:
        job = PlannedJob(next(self._numbers), Kind.SLOW, 3)
        job_id = send([job])[0]
        self._rig.wait_until(lambda: self._starts(job_id) == 1, seconds=20, every=0.05)
        pid = query("SELECT w.pid FROM jobs_worker w JOIN jobs_job j ON j.worker_id = w.id WHERE j.id = %s", job_id)[0][
            0
        ]
        victim = next((name for name in WORKERS if pid in {child.pid for child in self._rig.tree(name)}), other)
        killed_at = time.monotonic()
        for process in self._rig.tree(victim):
            process.kill()
        self._rig.wait_until(lambda: self._starts(job_id) == 2, seconds=60, every=0.05)
        waited = time.monotonic() - killed_at
        self._settle([job])
        return waited

    def _starts(self, job_id: str) -> int:
        return int(query("SELECT fence FROM jobs_job WHERE id = %s", job_id)[0][0])

    def flushed(self) -> Verdict:
        """R9: Redis is emptied with a full queue, and nobody does anything about it."""
        jobs = self._jobs(self._size.flushed_jobs)
        self._send_in_batches(jobs)
        with self._rig.redis() as client:
            client.flushall()
        flushed_at, before = time.monotonic(), self._done(jobs)
        self._rig.wait_until(lambda: self._done(jobs) > before + len(jobs) // 20, seconds=60)
        resumed = time.monotonic() - flushed_at
        wrong = self._settle(jobs)
        return Verdict(
            code="R9",
            claim=f"FLUSHALL with {len(jobs):,} queued: work goes on within {FLUSH_SECONDS} s",
            figure=f"{resumed:.1f} s, all ended after {time.monotonic() - flushed_at:.1f} s",
            holds=resumed <= FLUSH_SECONDS and not wrong,
            offenders=wrong,
        )

    def away(self) -> Verdict:
        """R10: Redis is down, then there and silent; sending goes on and hardly notices."""
        self._rig.hold_redis_down(is_down=True)
        self._rig.tree("redis")[0].kill()
        down, jobs = self._send_slowly(self._size.outage_seconds)
        self._rig.hold_redis_down(is_down=False)
        self._rig.wait_until(self._redis_answers, seconds=30)
        silent, more = self._send_to_silent_redis(max(2, self._size.outage_seconds / 4))
        wrong = self._settle([*jobs, *more])
        p99 = quantiles(down, n=100)[-1]
        return Verdict(
            code="R10",
            claim=f"Redis away: sends p99 <= {self._size.send_ms} ms; Redis silent: <= {SILENT_MS} ms",
            figure=f"p99 {p99:.1f} ms of {len(down)} sends; {max(silent):.0f} ms of {len(silent)}; {len(wrong)} lost",
            holds=p99 <= self._size.send_ms and max(silent) <= SILENT_MS and not wrong,
            offenders=wrong,
        )

    def _send_to_silent_redis(self, seconds: float) -> tuple[list[float], list[PlannedJob]]:
        server = self._rig.tree("redis")[0]
        server.suspend()
        try:
            return self._send_slowly(seconds)
        finally:
            server.resume()

    def _send_slowly(self, seconds: float) -> tuple[list[float], list[PlannedJob]]:
        """Send a job each 20 ms; return how many milliseconds each took, and the jobs."""
        milliseconds, jobs = [], []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            jobs += self._jobs(1)
            began_at = time.perf_counter()
            send(jobs[-1:])
            milliseconds.append((time.perf_counter() - began_at) * 1_000)
            self._rig.wait(0.02)
        return milliseconds, jobs

    def full(self) -> Verdict:
        """R14: Redis has no room left and refuses; the ledger takes everything, and works it off when there is room."""
        with self._rig.redis() as client:
            client.config_set("maxmemory", 1)
            jobs = self._jobs(500)
            self._send_in_batches(jobs)
            self._rig.wait(1)
            waiting = len(jobs) - self._done(jobs)
            client.config_set("maxmemory", 0)
        freed_at = time.monotonic()
        wrong = self._settle(jobs)
        return Verdict(
            code="R14",
            claim="a full Redis: sending works, the backlog drains after",
            figure=f"{waiting} of {len(jobs)} waited, {time.monotonic() - freed_at:.1f} s to drain, {len(wrong)} lost",
            holds=waiting > 0 and not wrong,
            offenders=wrong,
        )

    def rolling(self) -> Verdict:
        """R12: one worker after the other is told to stop while jobs keep coming."""
        jobs: list[PlannedJob] = []
        exits = [self._replace(WORKERS[turn % len(WORKERS)], jobs) for turn in range(self._size.terms)]
        wrong = self._settle(jobs)
        latest = self._latest(jobs)
        blamed = query(
            "SELECT coalesce(sum(crashes), 0) FROM jobs_job WHERE (arguments->>'number')::int = ANY(%s)", _numbers(jobs)
        )
        limit = LEASE_SECONDS + GRACE_SECONDS
        return Verdict(
            code="R12",
            claim=f"{self._size.terms} rolling SIGTERMs: no job lost or later than {limit} s",
            figure=f"{len(jobs):,} jobs, {len(wrong)} wrong, {blamed[0][0]} blamed, latest {latest:.1f} s, "
            f"slowest exit {max(exits):.1f} s",
            holds=not wrong and not blamed[0][0] and latest <= limit and max(exits) <= SHUTDOWN_SECONDS + 1,
            offenders=wrong,
        )

    def _replace(self, name: str, jobs: list[PlannedJob]) -> float:
        """Stop a worker under load and wait until the next one is at work; return the seconds that the exit took."""
        old = self._rig.tree(name)[0]
        os.kill(old.pid, signal.SIGTERM)
        asked_at = time.monotonic()
        self._load(jobs, until=lambda: not _is_up(old.pid), seconds=30)
        exited = time.monotonic() - asked_at
        self._load(
            jobs, until=lambda: self._rig.pid(name) != old.pid and self._rig.workers_alive() >= MASTERS, seconds=30
        )
        return exited

    def _load(self, jobs: list[PlannedJob], *, until: Callable[[], bool], seconds: float) -> None:
        """Keep jobs coming, one in four of them slow, until the condition holds or the time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            fresh = [*self._jobs(3), PlannedJob(next(self._numbers), Kind.SLOW, 0.2)]
            send(fresh)
            jobs += fresh
            self._rig.wait(0.1)
            if until():
                return

    def _latest(self, jobs: Sequence[PlannedJob]) -> float:
        rows = query(
            """SELECT extract(epoch FROM max(chaos_effect.at - created_at)) FROM chaos_effect
            JOIN jobs_job ON jobs_job.id::text = job_id WHERE number = ANY(%s)""",
            _numbers(jobs),
        )
        return float(rows[0][0])

    def _redis_answers(self) -> bool:
        with self._rig.redis() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    def _jobs(self, how_many: int) -> list[PlannedJob]:
        return [PlannedJob(next(self._numbers), Kind.EFFECT) for _ in range(how_many)]

    def _send_in_batches(self, jobs: Sequence[PlannedJob]) -> None:
        for start in range(0, len(jobs), 500):
            send(jobs[start : start + 500])

    def _done(self, jobs: Sequence[PlannedJob]) -> int:
        sql = "SELECT count(*) FROM chaos_effect WHERE number BETWEEN %s AND %s"
        return int(query(sql, jobs[0].number, jobs[-1].number)[0][0])

    def _settle(self, jobs: Sequence[PlannedJob]) -> list[int]:
        """Wait until the jobs are done and all workers are back; return the numbers that are not done exactly once."""
        self._rig.wait_until(lambda: self._done(jobs) >= len(jobs), seconds=60)
        self._rig.wait_until(lambda: self._rig.workers_alive() >= MASTERS, seconds=60)
        return self._wrong(jobs)

    def _wrong(self, jobs: Sequence[PlannedJob]) -> list[int]:
        found = Counter(
            row[0] for row in query("SELECT number FROM chaos_effect WHERE number = ANY(%s)", _numbers(jobs))
        )
        return [job.number for job in jobs if found[job.number] != 1]


def _numbers(jobs: Sequence[PlannedJob]) -> list[int]:
    return [job.number for job in jobs]


def _is_up(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
