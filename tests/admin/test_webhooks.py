"""What shops told of: seen by state, without anybody's data, and handled once more by a click."""

import json

import pytest

from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.shoptet.models import WebhookEvent
from tests.admin.factories import make_shop, make_webhook
from tests.admin.pages import detail, listing, press, told, words


def test_events_are_filtered_by_state(root, alice):
    shop = make_shop(alice)
    make_webhook(shop, "A-waits")
    make_webhook(shop, "A-done", digest="done", handled_at=clock.now())
    make_webhook(shop, "A-refused", digest="refused", handled_at=clock.now(), reason="A-refused: no")

    shown = {
        state: words(root.get(listing("shoptet_webhookevent", f"?state={state}")))
        for state in ("waiting", "handled", "refused")
    }

    assert {
        state: [name for name in ("A-waits", "A-done", "A-refused") if name in text] for state, text in shown.items()
    } == {"waiting": ["A-waits"], "handled": ["A-done"], "refused": ["A-refused"]}


def test_why_an_event_was_given_up_is_shown(root, alice):
    event = make_webhook(
        make_shop(alice), handled_at=clock.now(), failures=1, reason="A9: The shop refused the request"
    )

    text = words(root.get(detail("shoptet_webhookevent", event)))

    assert [shown for shown in ("Refused by the shop", "A9: The shop refused") if shown not in text] == []


def test_what_a_shop_put_into_an_event_is_not_shown(root, alice):
    body = {"event": "order:update", "eventInstance": "A9", "payload": {"email": "jana@example.com"}, "new": "Jana"}
    event = make_webhook(make_shop(alice), body=json.dumps(body))

    text = words(root.get(detail("shoptet_webhookevent", event)))

    assert ('"eventInstance": "A9"' in text, "••••" in text) == (True, True)
    assert [hidden for hidden in ("jana@", "Jana") if hidden in text] == []


def test_the_body_of_an_event_is_read_only(operator, alice):
    event = make_webhook(make_shop(alice))

    assert operator.post(detail("shoptet_webhookevent", event), {"body": "{}"}).status_code == 403


def test_a_long_list_of_a_mass_event_is_cut(root, alice):
    make_webhook(make_shop(alice), json.dumps([f"A{n}" for n in range(1000)]), digest="mass")

    assert "A999" not in words(root.get(listing("shoptet_webhookevent")))


@pytest.mark.parametrize("presses", [1, 2])
def test_an_event_is_processed_again_by_one_job(operator, alice, presses):
    event = make_webhook(make_shop(alice), handled_at=clock.now())

    answers = [operator.post(press("shoptet_webhookevent", event, "again"), follow=True) for _ in range(presses)]

    with all_tenants():
        assert WebhookEvent.objects.get().handled_at is None
    job = Job.objects.get()
    assert (job.actor, job.tenant_id) == ("shoptet.handle_webhooks", alice.pk)
    assert told(answers[0]) == ["The shop is asked about it again; follow the job."]


def test_a_viewer_processes_nothing(viewer, alice):
    event = make_webhook(make_shop(alice), handled_at=clock.now())

    assert viewer.post(press("shoptet_webhookevent", event, "again")).status_code == 403
    assert Job.objects.count() == 0
