"""No secret leaves the product by way of the API."""

import pytest

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s3cr3t"


def test_secrets_in_data_results_and_errors_are_masked(alice, drain):
    data = {"fileId": "1", "fileUrl": f"https://u:{SECRET}@shop/x?token={SECRET}", "fileName": "a", "fileType": "b"}
    fine = alice.send(data=data, tags=[f"token={SECRET}"])
    broken = alice.send(data={**data, "fileName": "broken.x"}, attempts=1)
    drain()

    shown = [alice.http.get(f"/jobs/{job_id}") for job_id in (fine, broken)] + [alice.http.get("/jobs")]

    assert [SECRET in answer.text for answer in shown] == [False] * 3
    assert shown[0].json()["data"]["fileUrl"] == "https://u:••••@shop/x?token=••••"
    assert shown[0].json()["result"] == {"tenantId": alice.tenant.pk, "fileId": "1", "accessToken": "••••"}
    error = {"type": "ValueError", "message": "cannot read https://u:••••@shop/x?token=••••"}
    assert shown[1].json()["error"] == error
    assert [run["error"] for run in shown[1].json()["attempts"]] == [error]


def test_secrets_of_a_recurring_job_are_masked(alice):
    mail = {"type": "t", "recipientEmail": "e", "templateData": {"password": SECRET}}

    made = alice.http.post("/jobs/recurring", json={"type": "email-notification", "data": mail, "cron": "@daily"})
    listed = alice.http.get("/jobs/recurring")

    assert [SECRET in answer.text for answer in (made, listed)] == [False, False]
    assert made.json()["data"]["templateData"] == {"password": "••••"}


def test_a_refusal_does_not_repeat_what_was_sent(alice):
    answer = alice.http.post(
        "/jobs", json={"type": "quote-calculation", "data": {"quoteId": [SECRET], "parts": SECRET}}
    )

    assert (answer.status_code, SECRET in answer.text) == (422, False)
