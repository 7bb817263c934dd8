"""The diary's screens: what operators may press, and what they are told."""

import pytest

from modules.drafts.models import Comment, Document
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import make_change, make_offer, make_record
from tests.admin.pages import detail, listing, press, told, words


@pytest.fixture
def rows(alice):
    """A withdrawable invitation, and a change that was given up."""
    return {
        "drafts_invitation": make_offer(alice, "offer", target_name="Chalupa"),
        "drafts_syncitem": make_change(alice, "change", retry_count=5),
    }


BUTTONS = [
    ("drafts_invitation", "revoke", "revoked", "is withdrawn"),
    ("drafts_syncitem", "try_again", "failed", "within five minutes"),
]


def status(row):
    with all_tenants():
        row.refresh_from_db()
    return row.status


@pytest.mark.parametrize(("name", "button", "after", "message"), BUTTONS)
def test_an_operator_presses_a_button_once(operator, rows, name, button, after, message):
    response = operator.post(press(name, rows[name], button), follow=True)

    assert (status(rows[name]), message in "".join(told(response))) == (after, True)
    again = operator.post(press(name, rows[name], button), follow=True)
    assert message not in "".join(told(again))


@pytest.mark.parametrize(("name", "button", "after", "_message"), BUTTONS)
def test_who_may_only_look_presses_nothing(viewer, rows, name, button, after, _message):
    before = rows[name].status

    assert viewer.post(press(name, rows[name], button)).status_code == 403
    assert status(rows[name]) == before != after


@pytest.mark.parametrize("name", ["drafts_project", "drafts_property", "drafts_record", "drafts_syncitem"])
def test_nobody_adds_changes_or_deletes_a_diarys_rows(root, alice, name):
    row = make_change(alice, "change") if name == "drafts_syncitem" else make_record(alice, "record")
    owner = {"drafts_record": row, "drafts_syncitem": row}.get(name) or row.property
    target = owner.project if name == "drafts_project" else owner

    assert root.get(listing(name) + "add/").status_code == 403
    assert root.post(detail(name, target), {"name": "x", "title": "x"}).status_code == 403
    assert root.post(detail(name, target).replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_records_are_found_and_filtered(root, alice, bob):
    make_record(alice, "Chimney")
    make_record(bob, "Gutter", status="published", published_at="2026-01-01T00:00:00Z")

    found = {
        query: words(root.get(listing("drafts_record", query))) for query in ("?q=Chim", "?status__exact=published")
    }

    assert ["Chimney" in text for text in found.values()] == [True, False]
    assert ["Gutter" in text for text in found.values()] == [False, True]


def test_a_records_page_shows_its_newest_documents_and_comments(root, alice):
    record = make_record(alice, "Chimney")
    now = clock.now()
    with all_tenants():
        Document.objects.bulk_create(
            Document(
                tenant=alice,
                record=record,
                name=f"photo {number}",
                storage_key=f"k{number}",
                size=2048,
                sha256="0" * 64,
                created_at=now,
            )
            for number in range(51)
        )
        Comment.objects.create(tenant=alice, record=record, text="well done", created_at=now)

    text = words(root.get(detail("drafts_record", record)))

    assert ("photo 50" in text, "photo 0 " in text, "well done" in text) == (True, False, True)


def test_the_home_page_counts_what_was_given_up(root, alice):
    make_change(alice, "a")
    make_change(alice, "b", status="conflict")

    assert "Offline changes given up 1 1 in conflict" in words(root.get("/admin/"))
