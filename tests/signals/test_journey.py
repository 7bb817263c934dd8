"""Real workers: what they count and tell while they are killed."""

import pytest
from django.db.models import Count, Sum

from modules.jobs import selectors, services
from modules.jobs.models import Alert, AlertRule, Attempt, Job, RunTotal
from modules.kernel import clock
from tests.support.actors import note
from tests.support.processes import WorkerProcess, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey, pytest.mark.timeout(300)]


def counted():
    return RunTotal.objects.aggregate(total=Sum("count"))["total"] or 0


def test_totals_are_exact_over_killed_workers():
    for number in range(200):
        note.send(word=str(number), seconds=0.05)
    for target in (40, 100):
        with WorkerProcess(processes=2) as worker:
            # A master told to stop while a worker boots would wait for that worker for ever.
            wait_until(lambda: len(selectors.living_workers(now=clock.now())) == 2)
            wait_until(lambda: Job.objects.filter(state="succeeded").count() >= target, every=0.01)  # noqa: B023
            worker.kill_child()
            worker.process.wait(timeout=20)
    with WorkerProcess(queues="default quarantine"):
        wait_until(lambda: Job.objects.filter(state="succeeded").count() == 200)
        wait_until(lambda: counted() == Attempt.objects.count(), seconds=30)

    totals = {row.outcome: row.count for row in RunTotal.objects.all()}
    assert totals == dict(Attempt.objects.values_list("outcome").annotate(Count("id")).order_by())
    assert totals["succeeded"] == 200
    assert totals["crashed"] >= 1


def test_a_worker_tells_of_a_queue_that_nobody_serves_while_no_scheduler_runs():
    AlertRule.objects.create(key="tests.no_worker", kind="no_worker", default_params={"seconds": 0})
    services.enqueue("tests.note", kwargs={"word": "x"}, queue="customers")
    with WorkerProcess(processes=1):
        wait_until(Alert.objects.exists, seconds=30)

    alert = Alert.objects.get()
    assert (alert.subject, alert.last_value) == ("customers", 1)
