"""The checker sees each way in which a run can go wrong, and only that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deploy.chaos.checker import Checker
from deploy.chaos.evidence import Evidence, FoundJob, FoundRun
from deploy.chaos.plan import Batch, Kind, PlannedJob
from deploy.chaos.report import Verdict, table

START = datetime(2026, 11, 23, tzinfo=UTC)
KINDS = [Kind.EFFECT, Kind.EXTERNAL, Kind.FAIL_ONCE, Kind.ALWAYS_FAIL, Kind.POISON]
EFFECT, EXTERNAL, FAIL_ONCE, ALWAYS_FAIL, POISON, GHOST = range(6)
BATCHES = [
    Batch(0, 0, [PlannedJob(number, kind) for number, kind in enumerate(KINDS)]),
    Batch(1, 1, [PlannedJob(GHOST, Kind.EFFECT)], is_rolled_back=True),
]


def runs(number, *outcomes):
    return [
        FoundRun(str(number), start, START + timedelta(seconds=start), START + timedelta(seconds=start + 0.5), outcome)
        for start, outcome in enumerate(outcomes, start=1)
    ]


GOOD = Evidence(
    confirmed=frozenset({0}),
    kept=frozenset({0}),
    jobs=[
        FoundJob(EFFECT, "0", "succeeded", 1, 1),
        FoundJob(EXTERNAL, "1", "succeeded", 1, 2),
        FoundJob(FAIL_ONCE, "2", "succeeded", 2, 2),
        FoundJob(ALWAYS_FAIL, "3", "failed", 3, 3),
        FoundJob(POISON, "4", "quarantined", 1, 3),
    ],
    runs=[
        *runs(EFFECT, "succeeded"),
        *runs(EXTERNAL, "crashed", "succeeded"),
        *runs(FAIL_ONCE, "failed", "succeeded"),
        *runs(ALWAYS_FAIL, "failed", "failed", "failed"),
        *runs(POISON, "crashed", "crashed", "crashed"),
    ],
    rows=[EFFECT, FAIL_ONCE],
    lines=[EXTERNAL],
    refused_writes=0,
)


def with_job(number, **changes):
    return replace(GOOD, jobs=[replace(job, **changes) if job.number == number else job for job in GOOD.jobs])


def broken(evidence):
    return {
        verdict.code: list(verdict.offenders) for verdict in Checker(BATCHES, evidence).verdicts() if not verdict.holds
    }


def test_a_good_run_is_found_good():
    assert broken(GOOD) == {}


def test_a_repeated_call_after_a_crash_is_within_the_promise():
    assert broken(replace(GOOD, lines=[EXTERNAL, EXTERNAL])) == {}


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(replace(GOOD, jobs=GOOD.jobs[1:]), {"R1": [EFFECT]}, id="no row in the ledger"),
        pytest.param(with_job(EFFECT, state="running"), {"R1": [EFFECT]}, id="never ended"),
        pytest.param(with_job(EFFECT, state="cancelled"), {"R1": [EFFECT]}, id="cancelled by nobody"),
        pytest.param(replace(GOOD, rows=[FAIL_ONCE]), {"R1": [EFFECT]}, id="succeeded without its row"),
        pytest.param(replace(GOOD, lines=[]), {"R1": [EXTERNAL]}, id="succeeded without its call"),
        pytest.param(replace(GOOD, kept=frozenset()), {"R1": []}, id="a confirmed transaction is gone"),
        pytest.param(replace(GOOD, rows=[EFFECT, EFFECT, FAIL_ONCE]), {"R2": [EFFECT]}, id="two rows"),
        pytest.param(replace(GOOD, lines=[EXTERNAL] * 3), {"R3": [EXTERNAL]}, id="more calls than runs"),
        pytest.param(replace(GOOD, rows=[EFFECT, FAIL_ONCE, GHOST]), {"R4": [GHOST]}, id="a ghost's row"),
        pytest.param(
            replace(GOOD, jobs=[*GOOD.jobs, FoundJob(GHOST, "5", "succeeded", 1, 1)]), {"R4": [GHOST]}, id="a ghost"
        ),
        pytest.param(
            replace(GOOD, jobs=[*GOOD.jobs, FoundJob(EFFECT, "6", "succeeded", 1, 1)]),
            {"R4": [EFFECT]},
            id="a key twice",
        ),
        pytest.param(with_job(EFFECT, state="quarantined"), {"R5": [EFFECT]}, id="an innocent is dead"),
        pytest.param(with_job(ALWAYS_FAIL, attempt=2), {"R5": [ALWAYS_FAIL]}, id="given up too early"),
        pytest.param(with_job(POISON, starts=5), {"R5": [POISON]}, id="killed five workers"),
        pytest.param(
            replace(GOOD, runs=[*GOOD.runs, *runs(EFFECT, "succeeded")]), {"R6": [EFFECT]}, id="succeeded twice"
        ),
        pytest.param(
            replace(
                GOOD,
                runs=[*GOOD.runs, FoundRun("0", 2, START + timedelta(seconds=1.2), START + timedelta(9), "crashed")],
            ),
            {"R6": [EFFECT]},
            id="the next run began before the first one ended",
        ),
    ],
)
def test_a_bad_run_is_found_bad_for_its_own_reason(evidence, expected):
    assert broken(evidence) == expected


def test_the_table_is_in_order_and_counts():
    verdicts = [
        Verdict(code="R10", claim="ten", figure="10 ms", holds=True),
        Verdict(code="R9", claim="nine", figure="9 s", holds=False),
    ]

    assert [line.split() for line in table(verdicts).splitlines()] == [
        ["R9", "FAILED", "nine", "9", "s"],
        ["R10", "passed", "ten", "10", "ms"],
        [],
        ["1", "passed,", "1", "failed"],
    ]
