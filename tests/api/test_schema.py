"""The OpenAPI file and the documents made of it: true, and nothing comes from outside."""

import re

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from config.api import api

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SCHEMA = schemathesis.openapi.from_dict(dict(api.get_openapi_schema()))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
TRUE = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Derandomized: the same requests in each run, so that a failure is the code's.
short = settings(
    max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def try_out(alice, live_server, settings):
    """Send what Schemathesis makes of an operation, and check each answer."""
    limits = [name for name in settings.API if name.endswith("_PER_MINUTE")]
    settings.API = {**settings.API, **dict.fromkeys(limits, 100_000)}
    headers = {"Authorization": alice.http.headers["Authorization"]}

    def tried(operation, mode, checks):
        @short
        @given(operation.as_strategy(generation_mode=mode))
        def try_one(case):
            hosts = [name for name in case.headers or {} if name.lower() == "host"]
            for name in hosts:  # a wrong one is refused before anything of the API is asked
                del case.headers[name]
            answer = case.call(base_url=live_server.url, headers=headers)
            is_unsent = bool(case.query) and "?" not in answer.request.url  # a wrong name without a value is not sent
            is_lost = is_unsent or bool(hosts)
            told = [check for check in checks if not (is_lost and check is negative_data_rejection)]
            case.validate_response(answer, checks=told, headers=headers)

        try_one()

    return tried


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_fits_the_file_is_answered_as_the_file_says(try_out, operation):
    try_out(operation, GenerationMode.POSITIVE, TRUE)


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.body or operation.query],
    ids=lambda operation: operation.label,
)
def test_what_does_not_fit_the_file_is_refused(try_out, operation):
    try_out(operation, GenerationMode.NEGATIVE, [*TRUE, negative_data_rejection])


def test_the_file_is_where_it_is_said_and_takes_no_token(nobody):
    answer = nobody.get("/openapi.json")

    assert (answer.status_code, answer.json()["openapi"], answer.json()["info"]["title"]) == (200, "3.1.0", "Backroom")
    assert sorted(answer.json()["components"]["securitySchemes"]) == ["BearerToken", "MemberToken", "PersonToken"]


def test_the_page_of_documents_asks_nobody_outside(nobody):
    page = nobody.get("/docs").text

    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert [source for source in sources if not source.startswith(f"/{django_settings.STATIC_URL.strip('/')}/")] == []
    assert [source for source in sources if finders.find(source.partition("static/")[2]) is None] == []
    assert '"validatorUrl": null' in page
