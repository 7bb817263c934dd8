"""A run is planned from its seed alone."""

from collections import Counter

import pytest

from deploy.chaos.plan import BATCH_JOBS, FULL, SMOKE, Fault, Kind, plan_batches, plan_faults


@pytest.mark.slow
def test_the_full_load_is_what_the_acceptance_test_says():
    kept = [batch for batch in plan_batches(FULL, seed=7) if not batch.is_rolled_back]

    kinds = Counter(job.kind for batch in kept for job in batch.jobs)
    assert kinds == {
        Kind.EFFECT: 79_890,
        Kind.EXTERNAL: 8_000,
        Kind.FAIL_ONCE: 5_000,
        Kind.SCHEDULED: 5_000,
        Kind.SLOW: 2_000,
        Kind.ALWAYS_FAIL: 100,
        Kind.POISON: 10,
    }
    assert sum(len(batch.repeats) for batch in kept) == 1_000


def test_one_transaction_in_twenty_is_rolled_back_and_no_number_is_used_twice():
    batches = plan_batches(FULL, seed=7)

    assert sum(batch.is_rolled_back for batch in batches) == 25
    assert sorted(job.number for batch in batches for job in batch.jobs) == list(range(525 * BATCH_JOBS))


def test_the_full_plan_has_every_fault_between_the_fourth_and_the_105th_second():
    faults = plan_faults(FULL, seed=7)

    assert Counter(fault.kind for fault in faults) == {
        Fault.CHILD: 20,
        Fault.TREE: 6,
        Fault.SCHEDULER: 6,
        Fault.REDIS: 5,
        Fault.FLUSH: 1,
        Fault.BACKEND: 3,
        Fault.IMMEDIATE: 2,
        Fault.FREEZE: 3,
    }
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(4 <= fault.at <= 105 for fault in faults)


def test_a_smoke_run_has_twelve_faults():
    assert len(plan_faults(SMOKE, seed=7)) == 12


@pytest.mark.slow
def test_a_seed_is_one_plan_and_another_seed_another():
    assert plan_batches(SMOKE, seed=7) == plan_batches(SMOKE, seed=7)
    assert plan_faults(SMOKE, seed=7) == plan_faults(SMOKE, seed=7)
    assert plan_batches(SMOKE, seed=7) != plan_batches(SMOKE, seed=8)
    assert plan_faults(SMOKE, seed=7) != plan_faults(SMOKE, seed=8)
