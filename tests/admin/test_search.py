"""The search of job lists: what each word finds, whose jobs, and what is said of a mistake."""

from datetime import timedelta

import pytest
from django.db import connection

from modules.jobs import selectors
from modules.jobs.domain import Known, parse_search
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.ids import uuid7
from tests.admin.factories import make_job, make_replay
from tests.admin.pages import listing, words


def found(client, text, page="jobs_job"):
    rows = client.get(listing(page), {"q": text}).context["cl"].result_list
    return {job.progress_message for job in rows}


@pytest.fixture
def ledger(alice, bob):
    """Jobs that say in their progress what they are."""
    now = clock.now()
    old = {"id": "01900000-0000-7000-8000-000000000000", "created_at": now - timedelta(days=500)}
    batch_id = uuid7()
    rows = {
        "alice's": {"tenant_id": alice.pk},
        "bob's": {"tenant_id": bob.pk, "queue": "low"},
        "old": old,
        "queued": {"state": "queued", "queue": "low"},
        "rung": {"state": "queued", "dispatched_at": now},
        "crashed": {"state": "queued", "crashes": 2, "priority": 5},
        "retrying": {"state": "retrying", "error_type": "ReadTimeout", "error_message": "no answer", "attempt": 3},
        "failed": {
            "state": "failed",
            "error_type": "KeyError",
            "error_message": "'price' of x",
            "fingerprint": "c" * 16,
        },
        "tagged": {"tags": ["shop:4"], "arguments": {"shop": {"id": 4}, "word": "4"}, "actor": "tests.say"},
        "long": {"started_at": now - timedelta(hours=1), "finished_at": now, "batch_id": batch_id},
        "running": {"state": "running", "actor": "tests.step"},
        "cancelled": {"state": "cancelled", "error_type": "ReadTimeout"},
    }
    made = {name: make_job(**{"state": "succeeded", "progress_message": name, **row}) for name, row in rows.items()}
    return made | {"batch": batch_id, "replay": make_replay(made["failed"]).pk}


ALL = {
    *("alice's", "bob's", "old", "queued", "rung", "crashed", "retrying", "failed", "tagged", "long", "running"),
    "cancelled",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state:queued", {"queued", "rung", "crashed"}),
        ("state:queued,running", {"queued", "rung", "crashed", "running"}),
        ("queue:low", {"bob's", "queued"}),
        ("queue:lo*", {"bob's", "queued"}),
        ("-queue:default", {"bob's", "queued"}),
        ("-state:succeeded -state:queued", {"retrying", "failed", "running", "cancelled"}),
        ("actor:tests.say,tests.step", {"tagged", "running"}),
        ("actor:tests.st*", {"running"}),
        ("tenant:Alice", {"alice's"}),
        ("error:timeout", {"retrying", "cancelled"}),
        ('error:"price\' of"', {"failed"}),
        (f"cause:{'c' * 16}", {"failed"}),
        ("tag:shop:4", {"tagged"}),
        ("shop:4", {"tagged"}),
        ("older:30d", {"old"}),
        ("-newer:1h", {"old"}),
        ("ran:>30min", {"long"}),
        ("attempt:>2", {"retrying"}),
        ("priority:5", {"crashed"}),
        ("args.shop.id:4", {"tagged"}),
        ("args.word:4", {"tagged"}),
        ("batch:{batch}", {"long"}),
        ("replay:{replay}", {"failed"}),
        ("01900000", {"old"}),
        ("state:queued queue:low", {"queued"}),
        ("newer:1h", ALL - {"old"}),
    ],
)
def test_a_word_finds_what_it_says(root, ledger, text, expected):
    assert found(root, text.format(**ledger)) == expected


def test_failed_jobs_are_searched_by_the_same_words(root, ledger):
    assert found(root, "error:KeyError -queue:low", "jobs_failedjob") == {"failed"}


@pytest.mark.parametrize("text", ["newer:1h", "-state:succeeded", "tenant:Alice", "queue:low", "state:queued"])
def test_nobody_finds_what_is_not_theirs(viewer, ledger, text):
    assert found(viewer, text) <= {"alice's"}


def test_a_stranger_cannot_ask_for_a_tenant_by_number(viewer, ledger, bob):
    assert found(viewer, f"tenant:{bob.pk}") == set()


def test_a_mistake_is_named_with_the_way_out_and_finds_nothing(root, ledger):
    response = root.get(listing("jobs_job"), {"q": "queue:low state:borken"})

    assert "“state:borken”: there is no such state. There are: scheduled, queued, running" in words(response)
    assert list(response.context["cl"].result_list) == []


def test_a_stranger_is_told_of_no_other_tenant(viewer, alice, bob):
    text = words(viewer.get(listing("jobs_job"), {"q": "tenant:Bob"}))

    assert "you see no such tenant. There are: Alice." in text


def test_a_state_chosen_by_a_link_keeps_the_search(root):
    body = root.get(listing("jobs_job"), {"q": "queue:low", "state": "failed", "p": "0"}).content.decode()

    assert 'href="/admin/jobs/job/?q=queue%3Alow&amp;state=running"' in body


def test_a_search_that_no_index_helps_looks_at_the_newest_and_says_so(root, monkeypatch):
    monkeypatch.setattr("modules.jobs.selectors._search.LOOKED_AT", 2)
    for number in range(4):
        make_job(arguments={"number": 1}, progress_message=str(number))

    response = root.get(listing("jobs_job"), {"q": "args.number:1"})

    assert found(root, "args.number:1") == {"2", "3"}
    assert "Looked through the newest" in words(response)
    assert found(root, "args.number:1 state:succeeded") == {"2", "3"}


@pytest.mark.parametrize("text", ["actor:tests.note", "queue:default", "state:cancelled", "state:queued", "error:x"])
def test_a_search_can_be_answered_from_indexes(db, text):
    """Plans are of large tables: with sequential scans forbidden, each part has to find an index of its own."""
    sql, params = selectors.search_jobs(
        Job.objects.all(), parse_search(text, Known()), now=clock.now()
    ).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", params)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Seq Scan" not in plan
    assert "jobs_job_pkey" not in plan
