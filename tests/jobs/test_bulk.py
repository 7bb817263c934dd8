"""Bulk actions: what matched at the start, in chunks, once, however often and wherever it is broken off."""

from datetime import timedelta
from uuid import UUID

import pytest

from modules.jobs import services
from modules.jobs.actors import run_bulk
from modules.jobs.domain import Known, Pace, State, parse_search
from modules.jobs.models import BulkOperation, Job
from modules.jobs.services import NothingMatches
from modules.kernel import clock
from tests.admin.factories import make_job, make_tenant


@pytest.fixture(autouse=True)
def _small_chunks(db, monkeypatch):
    monkeypatch.setattr("modules.jobs.services._bulk.CHUNK", 3)


def begin(verb, text="", **options):
    terms = parse_search(text, Known())
    return services.start_bulk(verb, terms, **{"tenant_ids": None, "by": "jana", "reason": "a test", **options})


def states(*jobs):
    found = Job.objects.in_bulk([job.pk for job in jobs])
    return [found[job.pk].state for job in jobs]


def figures(operation):
    operation.refresh_from_db()
    return operation.state, operation.total, operation.done, operation.passed_over


def sent():
    return [*Job.objects.filter(actor="jobs.run_bulk").values_list("arguments", flat=True)]


def test_what_fits_into_a_chunk_is_done_at_once_without_a_job():
    jobs, other = [make_job("failed", queue="low") for _ in range(2)], make_job("failed")

    operation = begin("replay", "queue:low")

    assert figures(operation) == ("done", 2, 2, 0)
    assert (states(*jobs), states(other), sent()) == (["queued"] * 2, ["failed"], [])
    assert (operation.search, operation.started_by, operation.reason) == ("queue:low", "jana", "a test")


def test_more_than_a_chunk_is_begun_and_a_job_does_it():
    jobs = [make_job("failed") for _ in range(8)]

    operation = begin("replay")
    before = states(*jobs)

    assert (figures(operation), set(before)) == (("running", 8, 0, 0), {"failed"})
    assert sent() == [{"operation_id": operation.pk}]
    assert services.continue_bulk(operation.pk, chunks=2) is True
    assert figures(operation) == ("running", 8, 6, 0)
    assert services.continue_bulk(operation.pk) is False
    assert figures(operation) == ("done", 8, 8, 0)
    assert set(states(*jobs)) == {"queued"}


def test_its_pace_counts_from_its_first_chunk_and_leaves_a_pause_out():
    [make_job("failed") for _ in range(12)]
    operation = begin("replay")

    def pace_after(seconds):
        operation.refresh_from_db()
        return operation.pace(now=operation.paced_at + timedelta(seconds=seconds))

    assert operation.pace(now=clock.now()) is None
    services.continue_bulk(operation.pk, chunks=2)
    assert pace_after(3) == Pace(2.0, timedelta(seconds=3))
    services.pause_bulk(operation.pk)
    services.resume_bulk(operation.pk)
    operation.refresh_from_db()
    assert operation.pace(now=clock.now()) is None
    services.continue_bulk(operation.pk, chunks=1)
    assert pace_after(2) == Pace(1.5, timedelta(seconds=2))
    services.continue_bulk(operation.pk)
    operation.refresh_from_db()
    ended = operation.pace(now=clock.now() + timedelta(hours=1))
    assert ended == Pace(6 / (operation.ended_at - operation.paced_at).total_seconds(), None)


def test_a_second_run_does_nothing_more():
    [make_job("failed") for _ in range(5)]
    operation = begin("discard")
    services.continue_bulk(operation.pk)
    again = make_job("failed")

    assert services.continue_bulk(operation.pk) is False
    assert (figures(operation), states(again)) == (("done", 5, 5, 0), ["failed"])


def test_jobs_sent_later_are_not_caught():
    [make_job("failed") for _ in range(4)]
    operation = begin("replay")
    later = make_job("failed")

    services.continue_bulk(operation.pk)

    assert (figures(operation), states(later)) == (("done", 4, 4, 0), ["failed"])


def test_what_changed_before_its_turn_is_left_alone():
    jobs = [make_job("failed") for _ in range(5)]
    operation = begin("replay")
    services.discard([jobs[4].pk])

    services.continue_bulk(operation.pk)

    assert figures(operation) == ("done", 5, 4, 0)
    assert states(*jobs) == ["queued"] * 4 + ["cancelled"]


def test_cancelling_asks_what_runs_and_spares_what_has_ended():
    waiting, running = [make_job("queued") for _ in range(3)], make_job("running")
    ended, asked = make_job("succeeded"), make_job("running", cancel_requested_at=clock.now())

    operation = begin("cancel")
    services.continue_bulk(operation.pk)

    assert figures(operation) == ("done", 4, 4, 0)
    assert states(*waiting, running, ended, asked) == ["cancelled"] * 3 + ["running", "succeeded", "running"]
    assert Job.objects.get(pk=running.pk).cancel_requested_at is not None


def test_cancelling_everything_spares_the_job_that_does_it():
    [make_job("queued") for _ in range(5)]
    operation = begin("cancel")

    services.continue_bulk(operation.pk)

    assert Job.objects.get(actor="jobs.run_bulk").state == State.QUEUED


def test_only_the_tenants_of_whoever_began_it():
    alice, bob = make_tenant("Alice"), make_tenant("Bob")
    theirs = [make_job("failed", tenant_id=alice.pk) for _ in range(4)]
    others = [make_job("failed", tenant_id=bob.pk), make_job("failed")]

    operation = begin("replay", tenant_ids=[alice.pk])
    services.continue_bulk(operation.pk)

    assert (figures(operation), states(*theirs), states(*others)) == (
        *(("done", 4, 4, 0), ["queued"] * 4, ["failed"] * 2),
    )


def test_an_age_counts_from_the_start_and_not_from_the_chunk():
    ids = [UUID(int=int((clock.now() - timedelta(minutes=90)).timestamp() * 1000) << 80 | n) for n in range(4)]
    jobs = [make_job("failed", id=job_id) for job_id in ids]
    operation = begin("replay", "older:1h")
    BulkOperation.objects.update(started_at=clock.now() - timedelta(days=1))

    services.continue_bulk(operation.pk)

    assert (figures(operation), set(states(*jobs))) == (("done", 4, 0, 0), {"failed"})


def test_paused_resumed_stopped():
    jobs = [make_job("failed") for _ in range(7)]
    operation = begin("replay")
    services.continue_bulk(operation.pk, chunks=1)

    assert (services.pause_bulk(operation.pk), services.pause_bulk(operation.pk)) == (True, False)
    assert services.continue_bulk(operation.pk) is False
    assert (services.resume_bulk(operation.pk), services.resume_bulk(operation.pk)) == (True, False)
    assert len(sent()) == 2
    services.continue_bulk(operation.pk, chunks=1)
    assert (services.stop_bulk(operation.pk), services.stop_bulk(operation.pk)) == (True, False)
    assert (services.continue_bulk(operation.pk), services.resume_bulk(operation.pk)) == (False, False)
    assert figures(operation) == ("stopped", 7, 6, 0)
    assert states(*jobs) == ["queued"] * 6 + ["failed"]


def test_nothing_that_matches_is_no_operation():
    make_job("succeeded")

    with pytest.raises(NothingMatches):
        begin("replay")

    assert not BulkOperation.objects.exists()


def test_a_chunk_that_breaks_leaves_nothing_half_done(monkeypatch):
    jobs = [make_job("failed") for _ in range(5)]
    operation = begin("replay")

    def break_off(self):
        raise OSError

    monkeypatch.setattr("modules.jobs.models.BulkOperation.save", break_off)
    with pytest.raises(OSError):  # noqa: PT011 -- ours, from above
        services.continue_bulk(operation.pk)

    assert (figures(operation), set(states(*jobs))) == (("running", 5, 0, 0), {"failed"})


def test_the_job_sends_itself_until_it_is_done(monkeypatch):
    monkeypatch.setattr(services.continue_bulk, "__kwdefaults__", {"chunks": 2})
    [make_job("failed") for _ in range(7)]
    operation = begin("replay")

    run_bulk(operation_id=operation.pk)
    halfway = figures(operation)
    run_bulk(operation_id=operation.pk)

    assert (halfway, figures(operation), len(sent())) == (("running", 7, 6, 0), ("done", 7, 7, 0), 2)


def test_old_ones_are_pruned():
    make_job("failed")
    operation = begin("replay")

    assert services.prune_bulk(ended_before=operation.ended_at) == 0
    assert services.prune_bulk(ended_before=operation.ended_at + timedelta(seconds=1)) == 1
