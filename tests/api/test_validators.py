"""Looking again: `304` and no body while nothing has changed, for one's own answers alone."""

import pytest

from modules.customers.models import CustomerMetrics
from modules.jobs.models import Job
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import (
    make_change,
    make_customer,
    make_execution,
    make_notice,
    make_order,
    make_product,
    make_record,
    make_share,
    make_shop,
    make_unit,
    make_variant,
)
from tests.api.operations import OPERATIONS
from tests.api.within import within
from tests.drafts.factories import attach

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LOOKS = [operation for operation in OPERATIONS if operation.method == "GET"]


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def ids(alice, force, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    body = {"type": "quote-calculation", "data": {"quoteId": "q"}, "cron": "0 2 29 2 *"}
    customer = make_customer(alice.tenant, "Jana")
    shop, notice = make_shop(alice.tenant), make_notice(alice.tenant, "hers")
    force(alice.send(), "failed", error_type="Refused")
    failed = Job.objects.get(state="failed").pk
    with all_tenants():
        CustomerMetrics.objects.update(segment="loyal")
        record = make_record(alice.tenant, "Revision")
        make_change(alice.tenant, "publish")
        make_share(alice.tenant, "shared")
        document, unit = attach(record), make_unit(record.property, "Cellar")
    return {
        "project_id": record.property.project.public_id,
        "property_id": record.property.public_id,
        "unit_id": unit.public_id,
        "record_id": record.public_id,
        "document_id": document.public_id,
        "job_id": alice.send(),
        "replay_id": alice.http.post("/jobs/replays", json={"reason": "mended", "jobs": [failed.hex]}).json()["id"],
        "user_id": notice.user_id,
        "recurring_id": alice.http.post("/jobs/recurring", json=body).json()["id"],
        "customer_id": customer.pk,
        "shop_id": str(shop.public_id),
        "order_id": make_order(shop).pk,
        "product_id": make_product(shop).pk,
        "execution_id": make_execution(shop).pk,
        "variant_id": make_variant(alice.tenant, "A shirt", code="0012").pk,
    }


def look(caller, path, tag=None):
    return caller.http.get(path, headers={"If-None-Match": tag} if tag else {})


@pytest.mark.parametrize("operation", LOOKS, ids=str)
def test_what_has_not_changed_is_not_sent_again(operation, alice, ids):
    path = operation.path.format(**ids)
    first = look(alice, path)
    second = look(alice, path, first.headers["ETag"])

    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")
    assert first.headers["ETag"].startswith('W/"')
    for name in ("ETag", "Cache-Control", "Content-Length"):
        assert second.headers[name] == first.headers[name]
    assert "Authorization" in second.headers["Vary"]
    assert second.headers["Cache-Control"] == "private, no-cache"
    assert {"RateLimit-Remaining", "Content-Type"} & {*second.headers} == ({"RateLimit-Remaining"} & {*first.headers})


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{job_id}"])
@pytest.mark.parametrize("change", [{"progress_done": 1}, {"priority": 3}, {"progress_message": "at the till"}])
def test_the_smallest_change_is_sent(alice, ids, path, change):
    path = path.format(**ids)
    Job.objects.update(progress_done=0)
    tag = look(alice, path).headers["ETag"]
    Job.objects.update(**change)

    answer = look(alice, path, tag)

    assert (answer.status_code, bool(answer.content)) == (200, True)
    assert answer.headers["ETag"] != tag


def test_a_page_has_the_tag_of_its_own_question(alice):
    for _ in range(3):
        alice.send()
    tags = {look(alice, f"/jobs?limit={limit}").headers["ETag"] for limit in (1, 2, 3)}

    assert len(tags) == 3


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("{strong}", 304),
        ('"other", {tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("{bare}", 200),
        ("", 200),
        ("W/", 200),
        ('"' + "x" * 5_000 + '"', 200),
    ],
)
def test_tags_are_read_as_http_says(alice, ids, given, status):
    tag = look(alice, "/jobs").headers["ETag"]
    strong = tag.removeprefix("W/")
    given = given.replace("{tag}", tag).replace("{strong}", strong).replace("{bare}", strong.strip('"'))

    assert look(alice, "/jobs", given or " ").status_code == status


@pytest.mark.parametrize("operation", LOOKS, ids=str)
def test_anothers_tag_says_nothing_to_a_stranger(operation, alice, bob, nobody, ids):
    path = operation.path.format(**ids)
    tag = look(alice, path).headers["ETag"]

    answer = look(bob, path, tag)
    assert answer.status_code == (404 if "{" in operation.path else 200)
    assert answer.headers.get("ETag") != tag
    assert nobody.get(path, headers={"If-None-Match": tag}).status_code == 401


def test_only_a_look_that_went_well_has_a_tag(alice, ids):
    answers = [
        alice.http.post(f"/jobs/{ids['job_id']}/retry", headers={"If-None-Match": "*"}),
        alice.http.delete(f"/jobs/{ids['job_id']}", headers={"If-None-Match": "*"}),
        alice.http.get("/jobs?limit=0", headers={"If-None-Match": "*"}),
        alice.http.get("/jobs/nothing", headers={"If-None-Match": "*"}),
    ]

    assert [(answer.status_code, "ETag" in answer.headers) for answer in answers] == [
        *((409, False), (200, False)),
        *((422, False), (404, False)),
    ]


def test_the_file_tells_of_tags(nobody):
    for path, operations in nobody.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            names = [parameter["name"] for parameter in operation.get("parameters", [])]
            is_look = method == "get"
            found = ("If-None-Match" in names, "304" in operation["responses"])
            assert found == (is_look, is_look), (method, path)
