"""The choice of a tenant in the header: whose rows a reader sees, and that it never shows more than before."""

import pytest
from django.test import Client

from modules.accounts.models import Membership
from tests.admin.factories import make_job, make_staff
from tests.admin.pages import listing, words


def choose(client, tenant, came_from="/admin/jobs/job/"):
    return client.post("/admin/tenant/", {"tenant": tenant and tenant.pk, "next": came_from})


def seen(client):
    return {job.progress_message for job in client.get(listing("jobs_job")).context["cl"].result_list}


@pytest.fixture
def jobs(alice, bob):
    make_job(tenant_id=alice.pk, progress_message="alice's")
    make_job(tenant_id=bob.pk, progress_message="bob's")
    make_job(progress_message="nobody's")


@pytest.fixture
def of_both(alice, bob, login):
    return login(make_staff("both", tenants=[alice, bob], permissions=["view_*"]))


def test_a_reader_of_all_sees_one_and_then_all_again(root, jobs, alice, bob):
    answers = [(choose(root, one)["Location"], seen(root)) for one in (alice, bob, "")]

    assert answers == [
        ("/admin/jobs/job/", {"alice's"}),
        ("/admin/jobs/job/", {"bob's"}),
        ("/admin/jobs/job/", {"alice's", "bob's", "nobody's"}),
    ]


def test_staff_of_two_see_one(of_both, jobs, bob):
    choose(of_both, bob)

    assert seen(of_both) == {"bob's"}


def test_a_stranger_is_never_chosen(viewer, jobs, bob):
    assert choose(viewer, bob).status_code == 403
    assert seen(viewer) == {"alice's"}


def test_who_is_no_member_any_more_sees_what_is_left(of_both, jobs, bob):
    choose(of_both, bob)
    Membership.objects.filter(tenant=bob).delete()

    assert seen(of_both) == {"alice's"}


def test_a_superuser_who_looks_at_one_tenant_acts_for_one_tenant(root, jobs, alice):
    choose(root, alice)

    assert root.get(listing("jobs_alert")).status_code == 403
    assert listing("jobs_alert") not in root.get("/admin/").content.decode()
    assert root.post("/admin/jobs/queues/pause/", {"kind": "queue", "value": "low", "reason": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("/admin/jobs/job/?state=failed", "/admin/jobs/job/?state=failed"),
        ("/admin/shoptet/shop/4/change/", "/admin/"),
        ("/admin/jobs/job/01900000-0000-7000-8000-000000000000/change/", "/admin/"),
        ("https://evil.example/admin/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_it_leads_back_to_a_page_that_is_there(root, alice, came_from, back):
    assert choose(root, alice, came_from)["Location"] == back


def test_it_is_offered_to_those_who_see_several(root, viewer, of_both, alice, bob):
    assert "Alice Bob" in words(root.get("/admin/"))
    assert "All tenants" in words(of_both.get(listing("jobs_job")))
    assert "All tenants" not in words(viewer.get("/admin/"))


def test_it_takes_a_post_of_staff_with_its_token(root, alice):
    assert root.get("/admin/tenant/").status_code == 405
    assert Client().post("/admin/tenant/", {"tenant": alice.pk}).status_code == 302
    root.handler.enforce_csrf_checks = True
    assert choose(root, alice).status_code == 403
