"""A stranger at each operation that the OpenAPI file names."""

import pytest
from django.db import connection

from modules.accounts.models import ApiToken
from modules.drafts.models import ShareMember
from modules.jobs import services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import (
    make_customer,
    make_execution,
    make_notice,
    make_order,
    make_product,
    make_record,
    make_shop,
    make_unit,
    make_variant,
)
from tests.api.operations import OF_PEOPLE, OPERATIONS, WITH_ID, WITHOUT_ID
from tests.api.within import within
from tests.drafts.factories import DAY, attach, make_invitation

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MARK = "alice-only"


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def alices(alice, force, settings, tmp_path):
    """Something of Alice's behind every kind of id, each with her mark."""
    settings.MEDIA_ROOT = str(tmp_path)
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
    record = make_record(alice.tenant, MARK)
    with all_tenants():
        document = attach(record, MARK.encode())
        boring = {"tenant": alice.tenant, "created_at": clock.now()}
        comment = record.comments.create(text=MARK, **boring)
        contact = record.property.contacts.create(name=MARK, **boring)
    return {
        "comment_id": str(comment.public_id),
        "contact_id": str(contact.public_id),
        "document_id": str(document.public_id),
        "project_id": str(record.property.project.public_id),
        "property_id": str(record.property.public_id),
        "unit_id": str(make_unit(record.property, MARK).public_id),
        "record_id": str(record.public_id),
        "invitation_id": str(make_invitation(record.property, None, expires_in=DAY).public_id),
        "share_id": share_of(record.property, notice.user).pk,
        "notification_id": notice.pk,
        "user_id": notice.user_id,
        "job_id": failed,
        "replay_id": replay.json()["id"],
        "recurring_id": made.json()["id"],
        "customer_id": make_customer(alice.tenant, MARK).pk,
        "variant_id": variant.pk,
        "shop_id": str(shop.public_id),
        "execution_id": make_execution(shop, error=MARK).pk,
        "order_id": make_order(shop, MARK).pk,
        "product_id": make_product(shop, MARK).pk,
        "what": "orders",
    }


def share_of(place, user):
    fields = {"target_type": "property", "target_id": place.pk, "role": "reader", "created_at": clock.now()}
    return ShareMember.objects.create(tenant_id=place.tenant_id, user=user, **fields)


def everything():
    """Return every row that a request may have changed."""
    with connection.cursor() as cursor:
        tables = (
            *("jobs_job", "jobs_jobschedule", "jobs_replay"),
            *("notifications_notification", "notifications_preference"),
            *("drafts_project", "drafts_property", "drafts_unit", "drafts_contact", "drafts_record", "drafts_comment"),
            "drafts_document",
            *("drafts_invitation", "drafts_sharemember", "drafts_syncitem"),
        )
        cursor.execute(" UNION ALL ".join(f"SELECT to_jsonb(row) FROM {table} row" for table in tables))
        return cursor.fetchall()


def test_the_file_names_all_operations():
    assert {str(operation) for operation in OF_PEOPLE} == {
        "POST /auth/login",
        "POST /auth/refresh",
        "POST /auth/logout",
        "GET /auth/me",
        "POST /invitations/accept",
        "POST /users/me/export",
        "GET /users/me/exports",
        "GET /users/me/exports/{export_id}",
        "DELETE /users/me/exports/{export_id}",
    }
    assert len(OPERATIONS) == 79
    assert {operation.path for operation in WITH_ID} == {
        "/jobs/{job_id}",
        "/jobs/{job_id}/data",
        "/jobs/{job_id}/retry",
        "/jobs/recurring/{recurring_id}",
        "/jobs/replays/{replay_id}",
        "/jobs/replays/{replay_id}/resume",
        "/jobs/replays/{replay_id}/stop",
        "/customers/{customer_id}",
        "/orders/{order_id}",
        "/catalog/products/{product_id}",
        "/inventory/variants/{variant_id}",
        "/shoptet/shops/{shop_id}/executions",
        "/shoptet/shops/{shop_id}/executions/{execution_id}",
        "/shoptet/shops/{shop_id}/snapshots/{what}",
        "/drafts/projects/{project_id}",
        "/drafts/projects/{project_id}/properties",
        "/drafts/properties/{property_id}",
        "/drafts/properties/{property_id}/units",
        "/drafts/properties/{property_id}/contacts",
        "/drafts/properties/{property_id}/records",
        "/drafts/units/{unit_id}",
        "/drafts/records/{record_id}",
        "/drafts/records/{record_id}/publish",
        "/drafts/records/{record_id}/comments",
        "/drafts/records/{record_id}/documents",
        "/drafts/comments/{comment_id}",
        "/drafts/contacts/{contact_id}",
        "/drafts/documents/{document_id}",
        "/drafts/documents/{document_id}/content",
        "/drafts/invitations/{invitation_id}/revoke",
        "/drafts/shares/{share_id}",
        "/notifications/{notification_id}/read",
        "/notifications/users/{user_id}/read",
        "/notifications/users/{user_id}/preferences",
    }


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
def test_what_is_anothers_is_not_there(operation, alices, bob):
    before = everything()

    answer = operation.call(bob.http, **alices)

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert everything() == before


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
def test_what_is_ones_own_is_there(operation, alices, alice):
    assert operation.call(alice.http, **alices).status_code in {200, 201, 202, 204, 409}


@pytest.mark.parametrize("operation", WITHOUT_ID, ids=str)
def test_nothing_of_anothers_is_in_an_answer(operation, alices, bob):
    answer = operation.call(bob.http)

    of_nothing = {"ReplayIn": 409, "InvitationIn": 404, "SyncIn": 422}.get(operation.body, 200)
    assert answer.status_code in {200, 201, 202, of_nothing}
    hers = [alices[name] for name in alices if name != "what"]
    words = [word for word in (MARK, *hers, "alice") if isinstance(word, str)]
    assert [word for word in words if word in answer.text] == []
    body = answer.json()
    metrics = body.get("metrics", []) if isinstance(body, dict) else []
    assert [row["failed"] for row in metrics] == [0] * len(metrics)


READING = [operation for operation in WITHOUT_ID if operation.method == "GET"]


@pytest.mark.parametrize("operation", READING, ids=str)
def test_what_one_reads_is_the_same_whatever_others_have(operation, bob, request):
    before = operation.call(bob.http).json()
    request.getfixturevalue("alices")

    assert operation.call(bob.http).json() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_without_a_token_nothing_opens(operation, alices, nobody):
    before = everything()

    answer = operation.call(nobody, **alices)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer.json()["title"] == "Unauthorized"
    assert everything() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_without_the_scope_nothing_opens(operation, alices, make_caller):
    needed = f"{operation.path.split('/')[1]}:{'read' if operation.method == 'GET' else 'write'}"
    other = "jobs:write" if needed != "jobs:write" else "jobs:read"
    weak = make_caller("Alice", scopes=[other])
    before = everything()

    answer = operation.call(weak.http, **alices)

    assert answer.status_code == 403
    assert answer.json()["detail"] == f"This takes the scope {needed}; the token has: {other}."
    assert everything() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_token_that_was_revoked_opens_nothing(operation, alices, alice):
    ApiToken.objects.filter(tenant=alice.tenant).update(revoked_at="2026-01-01T00:00:00Z")

    assert operation.call(alice.http, **alices).status_code == 401


def test_a_unique_key_is_the_tenants_own(alice, bob):
    theirs = [caller.send(uniqueKey="one") for caller in (alice, alice, bob)]

    assert theirs[0] == theirs[1]
    assert theirs[1] != theirs[2]
    assert sorted(Job.objects.values_list("tenant_id", flat=True)) == sorted([alice.tenant.pk, bob.tenant.pk])


def test_a_sender_cannot_name_the_tenant(alice, bob):
    data = {"reportType": "analytics", "tenantId": bob.tenant.pk}

    answer = alice.http.post("/jobs", json={"type": "report-generation", "data": data})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "data.tenantId", "message": "Not known; there are: reportType, format."}
    ]
    assert Job.objects.count() == 0


def test_a_recurring_jobs_jobs_are_the_tenants(alice, alices):
    schedule = JobSchedule.objects.get()
    job_id = services.run_schedule_now(key=schedule.key, now=clock.now())

    job = Job.objects.get(id=job_id)
    assert (job.tenant_id, job.arguments) == (alice.tenant.pk, {"tenant_id": alice.tenant.pk, "report_type": MARK})
    assert alice.http.get(f"/jobs/{job_id}").status_code == 200
