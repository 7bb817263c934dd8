"""The audit log: who did what, when and why, for readers of all tenants."""

from django.contrib.admin.models import LogEntry
from django.urls import reverse

from tests.admin.factories import make_job, make_staff
from tests.admin.pages import detail, listing, press, words

PAGE = listing("admin_logentry")


def done(client, query):
    """Return what the listed entries say, newest first."""
    return [row.get_change_message() or row.object_repr for row in client.get(PAGE + query).context["cl"].result_list]


def test_a_button_and_a_bulk_change_are_both_there(root):
    job = make_job("failed", actor="tests.note")
    root.post(press("jobs_job", job, "replay"))
    root.post(reverse("jobs_pause"), {"kind": "queue", "value": "low", "reason": "the shop moves"})

    shown = words(root.get(PAGE))

    assert "Queue low is paused: the shop moves pause" in shown
    assert "Replay job" in shown
    assert shown.count("root") >= 2


def test_an_entry_leads_to_its_row_and_says_the_filter_of_a_bulk_change(root):
    job = make_job("failed")
    root.post(press("jobs_job", job, "replay"))
    entry = LogEntry.objects.get()

    body = root.get(detail("admin_logentry", entry)).content.decode()

    assert f"/admin/jobs/job/{job.pk}/change/" in body


def test_it_is_filtered_by_who_and_searched(root, operator, alice):
    root.post(reverse("jobs_pause"), {"kind": "queue", "value": "low", "reason": "one"})
    operator.post(press("jobs_job", make_job("failed", tenant_id=alice.pk), "replay"))
    who = LogEntry.objects.order_by("id").last().user_id

    assert done(root, f"?who={who}") == ["Replay"]
    assert done(root, "?q=low+is+paused") == ["Queue low is paused: one"]
    assert root.get(f"{PAGE}?who=nonsense").status_code == 200


def test_staff_of_one_tenant_do_not_read_what_others_did(login, alice, viewer):
    with_permission = login(make_staff("auditor", tenants=[alice], permissions=["admin.view_logentry"]))

    assert [client.get(PAGE).status_code for client in (viewer, with_permission)] == [403, 403]


def test_nobody_changes_it(root):
    root.post(reverse("jobs_pause"), {"kind": "queue", "value": "low", "reason": "one"})
    entry = LogEntry.objects.get()

    root.post(detail("admin_logentry", entry), {"object_repr": "nothing happened"})
    root.post(reverse("admin:admin_logentry_delete", args=[entry.pk]), {"post": "yes"})

    assert LogEntry.objects.get().object_repr == "Queue low is paused: one"
