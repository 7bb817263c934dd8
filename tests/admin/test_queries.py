"""A longer list asks no more questions."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.kernel import clock
from tests.admin.factories import (
    make_activity,
    make_batch,
    make_bulk,
    make_customer,
    make_execution,
    make_firing,
    make_job,
    make_login,
    make_mail,
    make_member,
    make_notice,
    make_order,
    make_parked,
    make_replay,
    make_schedule,
    make_shop,
    make_staff,
    make_suppression,
    make_tenant,
    make_variant,
    make_worker,
)
from tests.admin.pages import DIARY, LISTS, listing, make_any

MOST = 14  # questions of any list, session and user included


def make_nth(name, number):
    """Make the `number`-th row of a list, as different from the others as rows get."""
    tenant = make_tenant(f"Tenant {number}")
    if name in {"jobs_job", "jobs_failedjob"}:
        return make_job("failed", tenant_id=tenant.pk, fingerprint=f"{number:016}", tags=[f"n:{number}"])
    if name in {"jobs_jobschedule", "jobs_schedulefiring"}:
        job = make_job()
        schedule = make_schedule(f"tests.n{number}", last_job_id=job.pk, last_fired_at=job.created_at)
        return make_firing(schedule, job_id=job.pk)
    if name in {"jobs_batch", "jobs_replay", "jobs_bulkoperation"}:
        make_bulk(tenant_ids=[tenant.pk], reason=f"reason {number}")
        batch = make_batch(tenant_id=tenant.pk, name=f"batch {number}")
        members = [make_job("failed", batch_id=batch.pk) for _ in range(number + 1)]
        return make_replay(*members, tenant_ids=[tenant.pk])
    if name == "jobs_worker":
        return make_job("running", worker_id=make_worker(hostname=f"box{number}").pk)
    if name.startswith(("notifications", "accounts", "drafts", "reports")):
        [make_any(each, tenant, f"{each}{number}") for each in ("reports_export", "reports_weeklysummary")]
        [make_any(each, tenant, f"{each}{number}") for each in DIARY]
        return make_messages(tenant, f"m{number}"), make_staff(f"user{number}", tenants=[tenant], permissions=[])
    make_variant(tenant, code=f"P{number}")
    shop = make_shop(tenant, f"shop{number}")
    order = make_order(shop, f"A{number}")
    make_execution(shop), make_parked(shop)
    return make_customer(tenant, orders=(order,))


def make_messages(tenant, mark):
    make_suppression(tenant, mark, lifted_at=clock.now(), lifted_by=make_member(tenant, mark))
    return (
        make_mail(tenant, mark),
        make_notice(tenant, mark),
        make_activity(tenant, mark),
        make_login(tenant, f"in-{mark}"),
    )


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_as_much_for_three_rows_as_for_one(root, name):
    counts = []
    root.get(listing(name))  # what is cached once is not a list's fault
    for number in range(3):
        make_nth(name, number)
        if number in {0, 2}:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                root.get(listing(name))
            counts.append(len(captured))

    assert counts[0] == counts[1]
    assert counts[1] <= MOST


def test_the_home_page_asks_as_much_for_three_as_for_one(root):
    counts = []
    root.get("/admin/")
    for number in range(3):
        for name in ("jobs_job", "jobs_worker", "jobs_jobschedule", "shoptet_shop"):
            make_nth(name, number)
        if number in {0, 2}:
            with CaptureQueriesContext(connection) as captured:
                root.get("/admin/")
            counts.append(len(captured))

    assert counts[0] == counts[1]


def test_no_list_counts_all_jobs(root):
    make_job()

    with CaptureQueriesContext(connection) as captured:
        root.get(listing("jobs_job"))

    counting = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert [sql for sql in counting if "LIMIT 10000" not in sql] == []
