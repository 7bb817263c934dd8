"""The week that `make run` shows in an empty ledger: believable, and real jobs when it is touched."""

from collections import Counter

import pytest

from deploy.local import history
from modules.jobs import services
from modules.jobs.models import Attempt, Job, RunMinute
from modules.kernel import clock
from tests.admin.factories import make_shop, make_tenant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def week():
    """A tenant's shop, and its week in the ledger."""
    shop = make_shop(make_tenant("Demo"))
    assert history.fill() == 19_600
    return shop


def test_most_went_well_five_causes_did_not_and_each_job_lies_within_the_week(week):
    now, jobs = clock.now(), Job.objects.exclude(state__in=["queued", "cancelled"])
    times = list(jobs.values_list("id", "created_at", "finished_at"))
    causes = Counter(Job.objects.filter(state="failed").values_list("fingerprint", flat=True))

    assert Job.objects.filter(state="succeeded").count() / 19_600 > 0.98
    assert sorted(causes.values(), reverse=True) == [55, 33, 11, 8, 3]
    assert Attempt.objects.filter(outcome="failed").count() > 900
    assert all(begun < ended <= now for _id, begun, ended in times)
    assert all((job_id.int >> 80) == int(begun.timestamp() * 1_000) for job_id, begun, _ended in times)
    assert not Job.objects.exclude(tenant_id=week.tenant_id).exists()


def test_the_product_counts_it_asks_why_and_goes_on_with_it(week, drain):
    waiting = list(Job.objects.filter(queue="integrations", state="queued"))

    assert sum(services.count_runs() for _time in range(2)) == Attempt.objects.count()
    assert sum(RunMinute.objects.values_list("count", flat=True)) == Attempt.objects.count()
    assert (len(waiting), "is paused" in services.why(waiting[0].id)[0].what) == (12, True)
    services.resume(kind="queue", value="integrations")
    assert drain() >= 12
    assert history.fill() == 0


def test_without_a_shop_there_is_no_week(db):
    assert (history.fill(), Job.objects.count()) == (0, 0)
