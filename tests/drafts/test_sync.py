"""What offline clients ask for is done once, tried again by the table, and a conflict is no failure."""

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from modules.accounts.models import Membership
from modules.drafts import services
from modules.drafts.actors import retry_sync
from modules.drafts.domain import InvalidOperation, RetryTable
from modules.drafts.models import Comment, Record, SyncItem, Unit
from modules.drafts.services import Change
from modules.jobs.models import Job
from modules.kernel import clock
from modules.notifications.models import Notification
from tests.drafts.factories import make_draft, make_member, make_property, make_sync_item

pytestmark = pytest.mark.django_db


def submit(tenant, user, *changes, now=None):
    return services.submit_changes(
        tenant_id=tenant.pk,
        user_id=user.pk,
        changes=[Change(client_id, operation, payload) for client_id, operation, payload in changes],
        now=now or clock.now(),
    )


def retry(*, now=None, limit=50, report=lambda _count: None, table=None):
    return services.retry_sync(table=table or RetryTable(), limit=limit, now=now or clock.now(), report=report)


def created(place, record_id=None):
    return {"recordId": str(record_id or uuid4()), "propertyId": str(place.public_id), "title": "Revize"}


def lost(**more):
    """A comment on a record that is not there yet."""
    return {"commentId": str(uuid4()), "recordId": str(uuid4()), "text": "ok", **more}


def counts(done):
    return done.applied, done.failed, done.conflicts, done.given_up


def test_what_works_is_done_at_once_in_order_and_nothing_is_kept(alice, jana, cottage):
    record_id = uuid4()
    changes = [
        (uuid4(), "create_record", created(cottage, record_id)),
        (uuid4(), "update_record", {"recordId": str(record_id), "baseVersion": 1, "body": "Hotovo"}),
        (uuid4(), "add_comment", lost(recordId=str(record_id))),
        (uuid4(), "publish_record", {"recordId": str(record_id), "baseVersion": 2}),
    ]

    assert set(submit(alice, jana, *changes).values()) == {"applied"}

    record = Record.objects.get(public_id=record_id)
    assert (record.body, record.status, record.version, record.author) == ("Hotovo", "published", 3, jana)
    assert (record.comments.get().text, SyncItem.objects.count()) == ("ok", 0)


def test_what_is_asked_for_twice_is_done_once(alice, jana, cottage):
    record_id = uuid4()
    changes = [
        (uuid4(), "create_record", created(cottage, record_id)),
        (uuid4(), "update_record", {"recordId": str(record_id), "baseVersion": 1, "body": "Hotovo"}),
        (uuid4(), "add_comment", lost(recordId=str(record_id))),
        (uuid4(), "publish_record", {"recordId": str(record_id), "baseVersion": 2}),
    ]

    assert submit(alice, jana, *changes) == submit(alice, jana, *changes)
    assert (Record.objects.get().version, Comment.objects.count()) == (3, 1)


def test_the_tries_come_after_5_15_60_240_and_1440_minutes_and_then_the_user_is_told(alice, jana):
    now, client_id, gaps = clock.now(), uuid4(), []
    assert submit(alice, jana, (client_id, "add_comment", lost()), now=now) == {client_id: "failed"}

    for _ in range(5):
        item = SyncItem.objects.get()
        gaps.append((item.next_retry_at - now) // timedelta(minutes=1))
        assert counts(retry(now=item.next_retry_at - timedelta(seconds=1))) == (0, 0, 0, 0)
        now = item.next_retry_at
        assert Notification.objects.count() == 0
        retry(now=now)

    item = SyncItem.objects.get()
    assert gaps == [5, 15, 60, 240, 1440]
    assert (item.status, item.retry_count, item.next_retry_at) == ("permanently_failed", 5, None)
    assert "There is no record" in item.last_error
    notice = Notification.objects.get()
    assert (notice.user, notice.type) == (jana, "sync_failed")
    assert notice.payload == {
        "clientId": str(client_id),
        "operation": "add_comment",
        "reason": "failed",
        "retryCount": 5,
    }
    assert counts(retry(now=now + timedelta(days=365))) == (0, 0, 0, 0)


def test_success_removes_it(alice, jana, cottage):
    draft = make_draft(cottage, jana)
    make_sync_item(alice, jana, "add_comment", lost(recordId=str(draft.public_id)), retry_count=3)

    assert counts(retry()) == (1, 0, 0, 0)
    assert (SyncItem.objects.count(), Comment.objects.get().author, Notification.objects.count()) == (0, jana, 0)


def test_a_change_against_an_older_version_is_a_conflict_that_nobody_tries_again(alice, jana, cottage):
    draft = make_draft(cottage, jana, version=3)
    payload = {"recordId": str(draft.public_id), "baseVersion": 2, "title": "Jiný"}
    make_sync_item(alice, jana, "update_record", payload)

    assert counts(retry()) == (0, 0, 1, 0)
    assert counts(retry(now=clock.now() + timedelta(days=9))) == (0, 0, 0, 0)

    item = SyncItem.objects.get()
    assert (item.status, Record.objects.get().title) == ("conflict", "Revize komínu")
    assert [notice.payload["reason"] for notice in Notification.objects.all()] == ["conflict"]


def test_a_conflict_at_the_first_try_is_told_at_once(alice, jana, cottage):
    draft, client_id = make_draft(cottage, jana, version=3), uuid4()
    payload = {"recordId": str(draft.public_id), "baseVersion": 1}

    assert submit(alice, jana, (client_id, "publish_record", payload)) == {client_id: "conflict"}
    assert submit(alice, jana, (client_id, "publish_record", payload)) == {client_id: "conflict"}
    assert (Record.objects.get().status, Notification.objects.count()) == ("draft", 1)


def test_two_at_once_do_each_once(alice, jana, cottage, at_once):
    draft = make_draft(cottage, jana)
    for _ in range(20):
        make_sync_item(alice, jana, "add_comment", lost(recordId=str(draft.public_id)))

    first, second = at_once(lambda: retry(limit=3), lambda: retry(limit=3))

    assert first.applied + second.applied == 20
    assert (Comment.objects.count(), SyncItem.objects.count()) == (20, 0)


def test_the_same_change_from_two_requests_at_once_is_made_once(alice, jana, cottage, at_once):
    draft, client_id = make_draft(cottage, jana), uuid4()
    change = (client_id, "add_comment", lost(recordId=str(draft.public_id)))

    answers = at_once(*[lambda: submit(alice, jana, change)] * 3)

    assert Comment.objects.count() == 1
    assert [answer[client_id] for answer in answers if isinstance(answer, dict)].count("applied") >= 1


def test_a_batch_that_is_killed_half_way_did_nothing_and_the_next_run_does_all(alice, jana, cottage):
    class Killed(BaseException):
        """As if the process had been killed before the commit."""

    draft = make_draft(cottage, jana)
    for _ in range(3):
        make_sync_item(alice, jana, "add_comment", lost(recordId=str(draft.public_id)))
    with pytest.raises(Killed), transaction.atomic():
        retry()
        raise Killed
    assert (Comment.objects.count(), SyncItem.objects.count()) == (0, 3)

    assert counts(retry()) == (3, 0, 0, 0)
    assert Comment.objects.count() == 3


def test_one_that_breaks_something_holds_up_nobody(alice, jana, cottage):
    draft = make_draft(cottage, jana)
    broken = make_sync_item(alice, jana, "add_comment", {"recordId": str(draft.public_id)})
    unknown = make_sync_item(alice, jana, "no_more", {})
    make_sync_item(alice, jana, "add_comment", lost(recordId=str(draft.public_id)))

    assert counts(retry(limit=1)) == (1, 2, 0, 0)
    errors = SyncItem.objects.in_bulk([broken.pk, unknown.pk])
    assert (errors[broken.pk].last_error, "no_more" in errors[unknown.pk].last_error) == (
        "KeyError: 'commentId'",
        True,
    )


def test_another_tenants_record_is_not_there(alice, bob, jana):
    petr = make_member(bob, "petr")
    secret = make_draft(make_property(bob, owner=petr), petr)
    payload = {"recordId": str(secret.public_id), "baseVersion": 1, "title": "Mine"}
    make_sync_item(alice, jana, "update_record", payload)

    assert counts(retry()) == (0, 1, 0, 0)
    assert (Record.objects.get().title, Record.objects.get().version) == ("Revize komínu", 1)


def test_who_left_changes_nothing_and_is_not_told(alice, jana, cottage):
    draft = make_draft(cottage, jana)
    make_sync_item(alice, jana, "add_comment", lost(recordId=str(draft.public_id)), retry_count=4)
    Membership.objects.filter(user=jana).delete()

    assert counts(retry()) == (0, 0, 0, 1)
    assert (Comment.objects.count(), Notification.objects.count()) == (0, 0)


def test_an_operation_that_can_never_work_is_refused_and_none_of_the_others_is_done(alice, jana, cottage):
    with pytest.raises(InvalidOperation):
        submit(alice, jana, (uuid4(), "create_record", created(cottage)), (uuid4(), "add_comment", {}))

    assert (Record.objects.count(), SyncItem.objects.count()) == (0, 0)


def test_an_ended_one_can_have_all_its_tries_anew(alice, jana):
    item = make_sync_item(
        alice, jana, "add_comment", lost(), status="permanently_failed", retry_count=5, next_retry_at=None
    )

    assert services.try_again(item_id=item.pk, now=clock.now())
    assert not services.try_again(item_id=item.pk, now=clock.now())
    assert counts(retry()) == (0, 1, 0, 0)


def test_the_job_and_its_table_of_delays(alice, jana, drain):
    make_sync_item(alice, jana, "add_comment", lost())
    retry_sync.send(delay_minutes=[1, 2], max_retries=2)

    drain()

    item = SyncItem.objects.get()
    assert (Job.objects.get().state, item.retry_count) == ("succeeded", 1)
    assert timedelta(seconds=100) < item.next_retry_at - clock.now() <= timedelta(minutes=2)


@pytest.mark.parametrize("options", [{"delay_minutes": [5, 0]}, {"max_retries": 0}, {"limit": 0}])
def test_a_table_that_cannot_be_followed_is_refused(options, db):
    with pytest.raises(ValueError, match="1 or more"):
        retry_sync.send(**options)


def test_the_command_counts_or_tries(alice, jana):
    make_sync_item(alice, jana, "add_comment", lost())
    out = StringIO()

    call_command("sync_retry", dry_run=True, stdout=out)
    assert (out.getvalue(), SyncItem.objects.get().retry_count) == ("would try 1 again\n", 0)
    call_command("sync_retry", stdout=out)

    assert out.getvalue().endswith("done 0, failed 1, in conflict 0, given up 0\n")


def test_a_child_of_another_tenants_parent_is_refused_by_the_database(alice, bob, jana, cottage, transactional_db):
    with pytest.raises(Exception, match="drafts_record_same_tenant"), transaction.atomic():
        Record.objects.create(tenant=bob, property=cottage, title="x", created_at=clock.now(), edited_at=clock.now())
    assert Record.objects.count() == 0


def test_a_unit_of_another_property_is_refused_by_the_database(alice, jana, cottage, transactional_db):
    other = Unit.objects.create(tenant=alice, property=make_property(alice), name="Garáž", created_at=clock.now())
    with pytest.raises(Exception, match="drafts_record_unit_of_property"), transaction.atomic():
        make_draft(cottage, jana, unit=other)
    with pytest.raises(services.NoSuchPlace):
        services.create_record(
            property_id=cottage.public_id, unit_id=other.public_id, title="x", author_id=jana.pk, now=clock.now()
        )
    assert connection.in_atomic_block is False
