"""The tour of a demonstration, and the wall."""

from datetime import timedelta

import pytest

from modules.jobs import services
from modules.jobs.models import Alert, AlertRule
from modules.kernel import clock
from tests.admin.factories import make_job, make_replay, make_schedule
from tests.admin.pages import press, words

DISMISS, WALL = "/admin/jobs/tour/dismiss/", "/admin/jobs/wall/"


@pytest.fixture
def demo(settings):
    settings.DEMO = True


def done(client):
    return [step.is_done for step in client.get("/admin/").context["tour"]]


def test_a_demonstration_shows_a_newcomer_around_and_says_what_it_is(root, demo):
    services.pause(kind="queue", value="low", reason="it moves", paused_by="jana", now=clock.now())

    text = words(root.get("/admin/"))

    assert [word in text for word in ("The first five minutes", "Demo", "Replay what failed")] == [True] * 3
    assert done(root) == [False, False, False]


def test_a_step_is_done_by_doing_it(root, demo):
    services.pause(kind="queue", value="low", reason="it moves", paused_by="jana", now=clock.now())
    make_replay(make_job("failed"), started_by="root")
    root.post(press("jobs_jobschedule", make_schedule(), "run_now"))
    before = done(root)
    services.resume(kind="queue", value="low")

    assert (before, done(root)) == ([True, True, False], [True, True, True])


def test_who_sends_it_away_does_not_see_it_again_but_others_do(root, demo, login, django_user_model):
    other = login(django_user_model.objects.create_superuser("other", password="other"))

    assert [root.post(DISMISS).status_code, root.post(DISMISS).status_code] == [302, 302]
    assert (done(root), len(done(other))) == ([], 3)


def test_nobody_is_shown_around_a_real_installation_nor_who_may_not_act(root, viewer, settings):
    assert "The first five minutes" not in words(root.get("/admin/"))
    settings.DEMO = True
    assert done(viewer) == []


def test_the_wall_shows_numbers_and_alerts_and_renews_itself(root, viewer, clerk):
    services.sync_alert_rules()
    make_job("running")
    rule = AlertRule.objects.get(key="jobs.queue_length")
    Alert.objects.create(rule=rule, subject="low", opened_at=clock.now() - timedelta(hours=2), last_value=1234)

    page = root.get(WALL)

    assert "The queue low has 1234 ready jobs 2 h ago" in words(page)
    assert 'data-live="wall"' in page.content.decode()
    assert "1234" not in words(viewer.get(WALL))
    assert clerk.get(WALL).status_code == 403
