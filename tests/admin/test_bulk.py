"""Cancel or replay all that a list's address matches: counted, asked for the reason, begun, watched, kept."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from modules.jobs import services
from modules.jobs.models import BulkOperation, Job
from modules.kernel import clock
from tests.admin.factories import make_bulk, make_job, make_staff
from tests.admin.pages import detail, listing, press, told, words

LONG_AGO = clock.now() - timedelta(seconds=30_000)  # so that a slow test changes no figure
CANCEL, REPLAY = (f"/admin/jobs/job/matching/{verb}/" for verb in ("cancel", "replay"))


def states(*jobs):
    found = Job.objects.in_bulk([job.pk for job in jobs])
    return [found[job.pk].state for job in jobs]


def test_it_is_offered_where_a_filter_or_a_search_narrows_the_list(operator, viewer, alice):
    make_job("queued", tenant_id=alice.pk)

    assert (
        f'href="{CANCEL}?q=queue%3Adefault"' in operator.get(listing("jobs_job", "?q=queue:default")).content.decode()
    )
    assert CANCEL not in operator.get(listing("jobs_job")).content.decode()
    assert CANCEL not in viewer.get(listing("jobs_job", "?q=queue:default")).content.decode()


def test_a_get_counts_and_changes_nothing(root):
    jobs = [make_job("queued", queue="low", actor="tests.forgotten") for _ in range(3)] + [make_job("queued")]

    text = words(root.get(f"{CANCEL}?queue=low"))

    assert "Cancel 3 jobs?" in text
    assert "tests.forgotten" in text
    assert "The code has no such actor any more" in text
    assert (states(*jobs), BulkOperation.objects.count()) == (["queued"] * 4, 0)


def test_all_that_match_are_cancelled_with_a_reason_that_is_kept(operator, alice, bob):
    wanted = [make_job("queued", tenant_id=alice.pk, queue="low") for _ in range(2)]
    spared = [
        make_job("queued", tenant_id=bob.pk, queue="low"),
        make_job("queued", tenant_id=alice.pk),
        make_job("succeeded", tenant_id=alice.pk, queue="low"),
    ]

    response = operator.post(f"{CANCEL}?queue=low", {"reason": "the shop is closed"}, follow=True)

    assert told(response) == ["2 jobs are cancelled or asked to stop."]
    assert states(*wanted, *spared) == ["cancelled", "cancelled", "queued", "queued", "succeeded"]
    kept = BulkOperation.objects.get()
    assert (kept.search, kept.reason, kept.started_by, kept.tenant_ids) == (
        *("queue:low", "the shop is closed", "operator", [alice.pk]),
    )
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_repr) == ("operator", "2 jobs are cancelled or asked to stop.")
    assert "the shop is closed" in entry.get_change_message()


def test_without_a_reason_nothing_happens(root):
    job = make_job("queued", queue="low")

    response = root.post(f"{CANCEL}?queue=low", {"reason": "  "})

    assert (response.status_code, states(job)) == (422, ["queued"])
    assert "Say why, for those who look at it later." in words(response)


@pytest.mark.parametrize(
    ("number", "says"), [("", "type their number"), ("2", "More match than you typed: 3 by now."), ("3", None)]
)
def test_many_want_their_number_typed(root, monkeypatch, number, says):
    monkeypatch.setattr("modules.jobs.admin._bulk.TYPED_FROM", 2)
    jobs = [make_job("failed", queue="low") for _ in range(3)]

    response = root.post(f"{REPLAY}?queue=low", {"reason": "it is up", "number": number}, follow=True)

    assert set(states(*jobs)) == {"failed" if says else "queued"}
    assert says is None or says in words(response)


def test_a_long_one_is_watched_on_its_own_page(root, monkeypatch):
    monkeypatch.setattr("modules.jobs.services._bulk.CHUNK", 2)
    [make_job("failed", queue="low") for _ in range(5)]

    response = root.post(f"{REPLAY}?queue=low", {"reason": "it is up"}, follow=True)

    operation = BulkOperation.objects.get()
    assert response.redirect_chain == [(detail("jobs_bulkoperation", operation), 302)]
    assert told(response) == ["Replay: 5 jobs, begun."]
    services.continue_bulk(operation.pk, chunks=1)
    page = root.get(detail("jobs_bulkoperation", operation))
    assert "2 / 5 (40 %)" in words(page)
    assert 'data-live="row"' in page.content.decode()
    services.continue_bulk(operation.pk)
    assert "done 5" in words(root.get(detail("jobs_bulkoperation", operation)))


@pytest.mark.parametrize(
    ("handled", "says"),
    [
        ({"done": 1_490_000, "passed_over": 10_000}, "(89 %) 50 jobs/s, 1 h left"),
        ({"done": 60_000}, "(4 %) 2.0 jobs/s, 9 d 9 h left"),
        ({"done": 60_000, "state": "stopped", "ended_at": LONG_AGO + timedelta(seconds=1_000)}, "(4 %) 60 jobs/s "),
        ({"done": 0}, "(0 %) "),
    ],
)
def test_its_pace_and_the_time_left_are_told(root, handled, says):
    operation = make_bulk(total=1_680_000, paced_at=LONG_AGO, **handled)

    pages = [
        words(root.get(place)) for place in (detail("jobs_bulkoperation", operation), listing("jobs_bulkoperation"))
    ]

    assert [says in page for page in pages] == [True, True]
    assert ["jobs/s" in page for page in pages] == ["jobs/s" in says] * 2


@pytest.mark.parametrize(
    "query", ["created_at__gt=rubbish", "error_type=KeyError", "tenant=x", "q=state:borken", "batch=12", "actor=a,b"]
)
def test_what_is_no_word_of_a_search_never_widens_it(root, query):
    job = make_job("queued")

    assert root.post(f"{CANCEL}?{query}", {"reason": "x"}).status_code == 400
    assert states(job) == ["queued"]


def test_who_may_not_act_does_not(viewer, alice):
    job = make_job("queued", tenant_id=alice.pk)

    assert [viewer.get(f"{CANCEL}?queue=default").status_code, viewer.post(f"{CANCEL}?queue=default").status_code] == [
        *(403, 403),
    ]
    assert states(job) == ["queued"]


def test_what_has_changed_meanwhile_is_told(root):
    response = root.post(f"{CANCEL}?queue=low", {"reason": "x"}, follow=True)

    assert told(response) == ["No job matches any more that this could be done to."]


def test_it_is_paused_resumed_and_stopped_by_buttons(root):
    operation = make_bulk()

    answers = [
        told(root.post(press("jobs_bulkoperation", operation, name), follow=True))
        for name in ("pause", "resume", "stop", "stop")
    ]

    assert answers == [
        ["It stops after the present chunk, until you resume it."],
        ["It goes on where it stopped."],
        ["It has ended. What is done stays done."],
        ["Stop is not offered any more: this has changed since the page was shown. Nothing was done."],
    ]


def test_a_stranger_sees_and_stops_no_other_tenants(operator, bob, login, alice):
    theirs, everybodys = make_bulk(tenant_ids=[bob.pk]), make_bulk()

    for operation in (theirs, everybodys):
        assert operator.get(detail("jobs_bulkoperation", operation)).status_code == 404
        assert operator.post(press("jobs_bulkoperation", operation, "stop")).status_code == 404
    viewer = login(make_staff("looker", tenants=[bob], permissions=["jobs.view_job"]))
    assert viewer.get(detail("jobs_bulkoperation", theirs)).status_code == 200
    assert viewer.post(press("jobs_bulkoperation", theirs, "stop")).status_code == 403
