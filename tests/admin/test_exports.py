"""Exports and summaries in the console: how they went, never what is in them."""

import pytest

from modules.kernel.tenancy import all_tenants
from modules.reports import services
from tests.admin.factories import make_export, make_summary
from tests.admin.pages import detail, listing, press, told, words


@pytest.fixture
def export(alice, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return make_export(alice, "mark", size=12_345, missing=2)


def state(row):
    with all_tenants():
        row.refresh_from_db()
    return row.state, row.storage_key


def test_an_operator_withdraws_an_export_once(operator, export):
    first = operator.post(press("reports_export", export, "revoke"), follow=True)
    second = operator.post(press("reports_export", export, "revoke"), follow=True)

    assert ["is withdrawn" in "".join(told(response)) for response in (first, second)] == [True, False]
    assert state(export) == ("revoked", "")


def test_who_may_only_look_withdraws_nothing_and_sees_no_link(viewer, export):
    page = viewer.get(detail("reports_export", export))

    assert services.link_of(export) not in page.content.decode()
    assert "12.1 KB" in words(page)
    assert viewer.post(press("reports_export", export, "revoke")).status_code == 403
    assert state(export)[0] == "ready"


def test_the_list_tells_what_became_of_a_persons_week(viewer, alice):
    for outcome in ("mailed", "empty", "unreachable"):
        make_summary(alice, outcome, outcome=outcome)

    text = words(viewer.get(listing("reports_weeklysummary")))

    for outcome in ("Mailed", "Nothing to report", "No address that works"):
        assert outcome in text


@pytest.mark.parametrize("name", ["reports_export", "reports_weeklysummary", "reports_summaryreceipt"])
def test_nobody_adds_or_deletes_what_was_reported(root, name):
    assert root.get(listing(name)).status_code == 200
    assert root.get(listing(name) + "add/").status_code == 403
