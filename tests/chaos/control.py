"""`python -m tests.chaos.control`: the acceptance test's rig, faults and checker on Dramatiq without the ledger.

Prints {invariant: holds} as JSON. A checker that finds nothing wrong here is blind.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import django
from redis import RedisError

from deploy.chaos.plan import SMOKE, Batch, Fault, Kind, PlannedJob, plan_batches, plan_faults
from deploy.chaos.rig import environment
from deploy.local import folder

SEED = 1
SIZE = replace(
    SMOKE,
    name="control",
    jobs=2_000,
    poison=0,
    load_seconds=5,
    longest_delay=6,
    faults={Fault.CHILD: 2, Fault.REDIS: 2, Fault.BACKEND: 1},
    first_fault_at=2,
    last_fault_at=6,
)
PATIENCE_SECONDS = 20


def main() -> None:
    with folder.temporary() as data:
        surroundings = environment(data, bell_seconds=SIZE.bell_seconds)
        os.environ.clear()
        os.environ.update(surroundings)
        django.setup()
        sys.stdout.write(json.dumps(wreck(data)) + "\n")


def wreck(data: Path) -> dict[str, bool]:
    from deploy.chaos import rig as rigs
    from deploy.chaos.checker import Checker
    from deploy.chaos.faults import Saboteur

    batches = plan_batches(SIZE, seed=SEED)
    with rigs.running(data, log_file=data / "processes.log", surroundings=os.environ) as rig:
        rigs.prepare(rig)
        rigs.start_workers(rig, "tests.chaos.raw:broker", "--queues", "default")
        rig.wait(5)
        producer = rig.process("-m", "tests.chaos.control", "produce")
        saboteur = Saboteur(rig, seed=SEED, log_file=data / "faults.log")
        saboteur.play(plan_faults(SIZE, seed=SEED), started_at=time.monotonic())
        rig.wait_until(lambda: producer.poll() == 0, seconds=60)
        rig.wait(PATIENCE_SECONDS)
        rig.wait_until(rigs.database_answers, seconds=30)
        return {verdict.code: verdict.holds for verdict in Checker(batches, gather(data, batches)).verdicts()}


def gather(data: Path, batches: list[Batch]):
    """Take Dramatiq at its word: what has an effect ended well, what is in its dead letters ended badly."""
    from deploy.chaos.evidence import Evidence, FoundJob, query
    from tests.chaos.raw import broker

    rows = [number for (number,) in query("SELECT number FROM chaos_effect WHERE number >= %s", 0)]
    file = data / "external.txt"
    lines = [int(line.split()[0]) for line in file.read_text().splitlines()] if file.exists() else []
    dead = [json.loads(message)["kwargs"]["number"] for message in broker.client.hvals("dramatiq:default.XQ.msgs")]
    states = dict.fromkeys(dead, "failed") | dict.fromkeys([*rows, *lines], "succeeded")
    kept = frozenset(batch.number for batch in batches if not batch.is_rolled_back)
    jobs = [FoundJob(number, str(number), state, 3, 1) for number, state in states.items()]
    return Evidence(kept, kept, jobs, [], rows, lines, refused_writes=0)


def produce() -> None:
    """Send as one does without an outbox: inside the transaction, again and again while Redis is away."""
    django.setup()
    from django.db import Error, connection, transaction

    started_at = time.monotonic()
    for batch in plan_batches(SIZE, seed=SEED):
        time.sleep(max(0.0, started_at + batch.at - time.monotonic()))
        try:
            with transaction.atomic():
                send_all(batch.jobs)
                transaction.set_rollback(batch.is_rolled_back)
        except Error:
            connection.close()  # what was sent is sent


def send_all(jobs: Sequence[PlannedJob]) -> None:
    from tests.chaos.raw import perform

    for job in jobs:
        message = perform.message(number=job.number, kind=job.kind, seconds=job.seconds)
        send_stubbornly(message, delay=int(job.seconds * 1_000) if job.kind is Kind.SCHEDULED else None)


def send_stubbornly(message, *, delay: int | None) -> None:
    from dramatiq.errors import BrokerError

    from tests.chaos.raw import broker

    while True:
        try:
            broker.enqueue(message, delay=delay)
        except (BrokerError, RedisError):
            time.sleep(0.2)
        else:
            return


if __name__ == "__main__":
    produce() if sys.argv[1:] == ["produce"] else main()
