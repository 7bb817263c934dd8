"""The acceptance test from beginning to end: calm parts, then everything at once, then the account."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from deploy.chaos import rig as rigs
from deploy.chaos.checker import Checker
from deploy.chaos.evidence import dossier, gather, query
from deploy.chaos.faults import Saboteur
from deploy.chaos.plan import Size, plan_batches, plan_faults
from deploy.chaos.probes import Probes
from deploy.chaos.report import Verdict, table
from deploy.chaos.rig import Rig
from deploy.local.log import Log
from modules.jobs.models import JobSchedule
from modules.kernel import clock

CLOCK_DATABASE = "backroom_clock"
MINUTE = "chaos.minute"  # a schedule and its actor
SHOWN_OFFENDERS = 10  # of each invariant that does not hold


class Acceptance:
    """One run with one seed; what it leaves to read goes to `artefacts`."""

    def __init__(self, size: Size, *, seed: int, surroundings: Mapping[str, str], data: Path, artefacts: Path) -> None:
        self._size, self._seed, self._data, self._artefacts = size, seed, data, artefacts
        self._surroundings = surroundings
        self._out = Log(sys.stdout)
        self._faults_file, self._findings = artefacts / "faults.log", artefacts / "clockwork.json"

    def run(self) -> bool:
        """Do it, print the table, return whether everything holds. Raises UnableToStart."""
        began_at = time.monotonic()
        self._faults_file.write_text("", encoding="utf-8")
        self._out.say(f"Chaos, {self._size.name}, seed {self._seed}; faults: {self._faults_file}")
        with rigs.running(
            self._data, log_file=self._artefacts / "processes.log", surroundings=self._surroundings
        ) as rig:
            verdicts = self._all(rig)
            text = table(verdicts)
            self._out.say(f"\n{text}\n\nSeed {self._seed}, {time.monotonic() - began_at:.0f} s.")
            (self._artefacts / "report.txt").write_text(f"seed {self._seed}\n{text}\n", encoding="utf-8")
            self._show_offenders(verdicts)
        return all(verdict.holds for verdict in verdicts)

    def _all(self, rig: Rig) -> list[Verdict]:
        rigs.prepare(rig)
        rigs.start(rig)
        probes = Probes(rig, self._size)
        self._say("undisturbed")
        verdicts = [probes.control()]
        clockwork = self._start_clockwork(rig)
        _every_minute()
        for probe in probes.one_by_one():
            self._say(probe.__name__.replace("_", " "))
            verdicts.append(probe())
        self._say("virtual clock")
        rig.wait_until(lambda: clockwork.poll() is not None, seconds=120)
        self._say("everything at once")
        took = self._storm(rig)
        batches = plan_batches(self._size, seed=self._seed)
        evidence = gather(
            account=self._artefacts / "committed.txt",
            external=self._data / "external.txt",
            log_file=self._artefacts / "processes.log",
        )
        self._write_rate()
        drained = Verdict(
            code="R7",
            claim=f"all is done within {self._size.drain_seconds:g} s of the start",
            figure=f"{took:.1f} s, {len(evidence.jobs) / took:,.0f} jobs a second",
            holds=took <= self._size.drain_seconds,
        )
        return [*verdicts, *Checker(batches, evidence).verdicts(), drained, _schedules(clockwork, self._findings)]

    def _storm(self, rig: Rig) -> float:
        """Send the load under faults and wait for the end; return the seconds that took."""
        account = self._artefacts / "committed.txt"
        account.unlink(missing_ok=True)
        producer = rig.process("-m", "deploy.chaos.producer", self._size.name, str(self._seed), str(account))
        started_at = time.monotonic()
        saboteur = Saboteur(rig, seed=self._seed, log_file=self._faults_file)
        saboteur.play(plan_faults(self._size, seed=self._seed), started_at=started_at)
        # Later than promised is still not lost: the account is made when nothing moves any more.
        limit = 2 * self._size.drain_seconds
        rig.wait_until(lambda: producer.poll() is not None and _is_quiet(), seconds=limit, every=0.5)
        producer.kill()
        return time.monotonic() - started_at

    def _start_clockwork(self, rig: Rig) -> subprocess.Popen[bytes]:
        """Give the virtual clock a database of its own; it has most of the quiet parts to end in."""
        name = settings.DATABASES["default"]["NAME"]
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {CLOCK_DATABASE}")
        url = rig.surroundings["DATABASE_URL"].replace(f"/{name}?", f"/{CLOCK_DATABASE}?")
        order = ["-m", "deploy.chaos.clockwork", str(self._seed), str(self._findings)]
        return rig.process(*order, changes={"DATABASE_URL": url})

    def _write_rate(self) -> None:
        """Leave the number of ends in each second beside the other logs, for whoever wonders what took so long."""
        ends = "SELECT date_trunc('second', ended_at), count(*) FROM jobs_attempt GROUP BY 1 ORDER BY 1"
        lines = [f"{second:%H:%M:%S} {count}\n" for second, count in query(ends)]
        (self._artefacts / "ends.txt").write_text("".join(lines), encoding="utf-8")

    def _show_offenders(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            if not verdict.holds and verdict.offenders:
                shown = [dossier(number) for number in verdict.offenders[:SHOWN_OFFENDERS]]
                self._out.say("\n".join([f"\n{verdict.code}: {len(verdict.offenders)} offenders", *shown]))

    def _say(self, text: str) -> None:
        self._out.say(f"{clock.now():%H:%M:%S} {text} ...")


def _is_quiet() -> bool:
    alive = "SELECT 1 FROM jobs_job WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    return not query(alive)


def _every_minute() -> None:
    """Let something be due each minute while schedulers are killed, and nothing that no worker here serves."""
    JobSchedule.objects.update(is_enabled=False)
    JobSchedule.objects.create(
        key=MINUTE,
        actor=MINUTE,
        default_cron="* * * * *",
        default_timezone="UTC",
        default_options={},
        overlap="allow",
        catch_up="all",
        evaluated_until=clock.now(),
    )


def _schedules(clockwork: subprocess.Popen[bytes], findings: Path) -> Verdict:
    """R11: what the virtual clock found, and the minutes of the real one while schedulers were killed."""
    found: dict[str, Any] = json.loads(findings.read_text(encoding="utf-8")) if clockwork.poll() == 0 else _UNFINISHED
    due = [row[0] for row in query(_MINUTES)]
    missing = sum(later - earlier != timedelta(minutes=1) for earlier, later in pairwise(due))
    wrong = "; ".join(found["wrong"])
    return Verdict(
        code="R11",
        claim="schedules: clock changes, jumps, a week's outage, killed schedulers",
        figure=f"{found['fired']} virtual and {len(due)} real due times once, {missing} missing {wrong}".rstrip(),
        holds=not wrong and not missing and bool(due),
    )


_UNFINISHED: dict[str, Any] = {"fired": 0, "wrong": ["the virtual clock did not come to its end"]}
_MINUTES = f"""SELECT due_at FROM jobs_schedulefiring JOIN jobs_job ON jobs_job.id = job_id
    WHERE outcome = 'fired' AND actor = '{MINUTE}' AND state = 'succeeded' ORDER BY due_at"""
