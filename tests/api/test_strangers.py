"""A stranger at each operation that the OpenAPI file names."""

import pytest
from django.db import connection

from modules.accounts.models import ApiToken
from modules.jobs import services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from tests.admin.factories import make_customer, make_execution, make_notice, make_shop, make_variant
from tests.api.operations import OPERATIONS, WITH_ID, WITHOUT_ID
from tests.api.within import within

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MARK = "alice-only"


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def alices(alice, force):
    """Something of Alice's behind every kind of id, each with her mark."""
    failed = alice.send(data={"fileId": MARK, "fileUrl": MARK, "fileName": MARK, "fileType": "x"}, tags=[MARK])
    force(failed, "failed", error_type=MARK, error_message=MARK)
    made = alice.http.post(
        "/jobs/recurring", json={"type": "report-generation", "data": {"reportType": MARK}, "cron": "0 2 * * *"}
    )
    force(alice.send(tags=[MARK]), "failed", error_type=MARK, error_message=MARK)
    replay = alice.http.post("/jobs/replays", json={"reason": MARK, "jobs": [Job.objects.latest("created_at").pk.hex]})
    variant = make_variant(alice.tenant, MARK, code=MARK)
    shop = make_shop(alice.tenant, MARK)
    notice = make_notice(alice.tenant, MARK)
    return {
        "notification_id": notice.pk,
        "user_id": notice.user_id,
        "job_id": failed,
        "replay_id": replay.json()["id"],
        "recurring_id": made.json()["id"],
        "customer_id": make_customer(alice.tenant, MARK).pk,
        "variant_id": variant.pk,
        "shop_id": str(shop.public_id),
        "execution_id": make_execution(shop, error=MARK).pk,
        "what": "orders",
    }


def everything():
    """Return every row that a request may have changed."""
    with connection.cursor() as cursor:
        tables = (
            *("jobs_job", "jobs_jobschedule", "jobs_replay"),
            *("notifications_notification", "notifications_preference"),
        )
        cursor.execute(" UNION ALL ".join(f"SELECT to_jsonb(row) FROM {table} row" for table in tables))
