"""People's logins: one good refresh token at a time, and a used one that comes again ends all."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.signing import Signer
from django.db import connection

from modules.accounts import selectors, services
from modules.accounts.actors import clean_tokens
from modules.accounts.domain import ACCESS_MARK, REFRESH_MARK, TokenText
from modules.accounts.models import ActivityEntry, CleanupReceipt, Login, RefreshToken, User
from modules.accounts.services import JustUsed, TokenRefused, WrongPassword
from modules.jobs import services as job_services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants

pytestmark = pytest.mark.django_db(transaction=True)

NOW = clock.now()
PASSWORD = "correct horse"
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def jana(transactional_db):
    return User.objects.create_user("jana", "jana@example.com", PASSWORD)


def enter(at=NOW, *, username="jana", password=PASSWORD):
    return services.open_login(username=username, password=password, agent="test", now=at)


def refresh(keys, at=NOW):
    return services.refresh_login(text=keys.refresh, now=at)


def opens(keys, at=NOW):
    return selectors.find_login(keys.access, now=at) is not None


def verbs():
    with all_tenants():
        return list(ActivityEntry.objects.order_by("id").values_list("verb", flat=True))


def test_a_login_opens_and_is_written_down(jana):
    keys = enter()

    login = selectors.find_login(keys.access, now=NOW)
    assert (login.user, login.agent, login.expires_at - NOW) == (jana, "test", 30 * DAY)
    assert verbs() == ["login.opened"]
    jana.refresh_from_db()
    assert jana.last_login == NOW


@pytest.mark.parametrize(("username", "password"), [("jana", "wrong"), ("nobody", PASSWORD), ("jana", "")])
def test_a_wrong_name_or_password_opens_nothing(jana, username, password):
    with pytest.raises(WrongPassword):
        enter(username=username, password=password)

    assert (Login.objects.count(), verbs()) == (0, [])


def test_an_inactive_person_is_not_let_in(jana):
    User.objects.update(is_active=False)

    with pytest.raises(WrongPassword):
        enter()


def test_no_secret_is_kept(jana):
    keys = enter()

    rows = [*Login.objects.values(), *RefreshToken.objects.values()]
    secret = keys.refresh.rpartition("_")[2]
    hexed = TokenText.parse(keys.refresh, mark=REFRESH_MARK).secret.hex()
    found = [row for row in rows if any(word in str(row) for word in (secret, hexed, keys.access, jana.password))]
    assert (found, PASSWORD in str(rows), secret in repr(keys)) == ([], False, False)


def test_an_access_token_ends_at_its_instant(jana):
    keys = enter()

    assert [opens(keys, NOW + 15 * MINUTE - SECOND), opens(keys, NOW + 15 * MINUTE)] == [True, False]


def test_other_texts_open_nothing(jana):
    keys = enter()
    signed = keys.access.partition("_")[2]
    forged = Signer(key="another", salt="accounts.access").sign_object([Login.objects.get().pk, 9e12])
    elsewhere = Signer(salt="other").sign_object([Login.objects.get().pk, 9e12])

    texts = ["", "bra_", signed, f"br_{signed}", keys.access[:-1], keys.refresh, f"bra_{forged}", f"bra_{elsewhere}"]
    assert [selectors.find_login(text, now=NOW) for text in texts] == [None] * len(texts)
    assert selectors.find_token(keys.access, now=NOW) is None


def test_a_refresh_gives_new_keys_and_the_old_access_lives_to_its_end(jana):
    first = enter()
    second = refresh(first, NOW + 10 * MINUTE)

    assert [opens(keys, NOW + 14 * MINUTE) for keys in (first, second)] == [True, True]
    assert [opens(keys, NOW + 20 * MINUTE) for keys in (first, second)] == [False, True]
    assert refresh(second, NOW + DAY).refresh not in {first.refresh, second.refresh}
    assert Login.objects.count() == 1


def test_a_refresh_token_ends_at_its_instant(jana):
    keys = enter()

    with pytest.raises(TokenRefused):
        refresh(keys, NOW + 30 * DAY)
    assert refresh(keys, NOW + 30 * DAY - SECOND)


def test_a_used_token_that_comes_again_ends_the_whole_login_at_once(jana):
    stolen = enter()
    other = enter()
    newest = refresh(stolen)

    with pytest.raises(TokenRefused):
        refresh(stolen, NOW + 10 * SECOND)

    assert [opens(keys, NOW + 11 * SECOND) for keys in (stolen, newest, other)] == [False, False, True]
    with pytest.raises(TokenRefused):
        refresh(newest, NOW + 11 * SECOND)
    login = Login.objects.order_by("id").first()
    assert (login.ending, login.revoked_at, login.tokens.filter(revoked_at=None).count()) == (
        "reused",
        NOW + 10 * SECOND,
        0,
    )
    assert verbs() == ["login.opened", "login.opened", "login.stolen"]


def test_a_used_token_that_comes_again_within_seconds_is_a_race_and_ends_nothing(jana):
    used = enter()
    newest = refresh(used)

    with pytest.raises(JustUsed):
        refresh(used, NOW + 9 * SECOND)

    assert (opens(newest, NOW + 9 * SECOND), Login.objects.get().revoked_at) == (True, None)
    assert refresh(newest, NOW + 10 * SECOND)


def test_of_many_refreshes_at_once_one_wins(jana):
    keys, said = enter(), []
    barrier = threading.Barrier(6)

    def run():
        barrier.wait()
        try:
            said.append(refresh(keys, NOW + SECOND))
        except JustUsed:
            said.append("just used")
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [keys for keys in said if keys != "just used"]
    assert (len(said), len(winners), RefreshToken.objects.filter(revoked_at=None).count()) == (6, 1, 1)
    assert refresh(winners[0], NOW + 2 * SECOND)


def test_a_foreign_secret_with_a_true_prefix_is_refused_and_ends_nothing(jana):
    keys = enter()
    prefix = keys.refresh.split("_")[1]

    for text in (str(TokenText(prefix, b"x" * 32, REFRESH_MARK)), "", "brr_", keys.access):
        with pytest.raises(TokenRefused):
            services.refresh_login(text=text, now=NOW)

    assert opens(keys)


def test_a_logout_ends_the_login_and_a_second_one_nothing(jana):
    keys = enter()

    ended = [services.close_login(text=text, now=NOW) for text in (keys.refresh, keys.refresh, "rubbish")]

    assert (ended, opens(keys), verbs()) == ([True, False, False], False, ["login.opened", "login.closed"])
    with pytest.raises(TokenRefused):
        refresh(keys, NOW + SECOND)
    assert verbs() == ["login.opened", "login.closed"]


@pytest.mark.parametrize("end", ["password", "inactive", "operator"])
def test_a_login_ends_with_its_password_its_person_or_by_an_operator(jana, end):
    keys = enter()
    if end == "password":
        jana.set_password("new")
        jana.save()
    elif end == "inactive":
        User.objects.update(is_active=False)
    else:
        services.end_login(login_id=Login.objects.get().pk, ending=Login.Ending.OPERATOR, now=NOW, by_id=jana.pk)

    assert not opens(keys)
    with pytest.raises(TokenRefused):
        refresh(keys)


def test_a_key_that_signed_before_still_opens(jana, settings):
    keys = enter()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "newer", [settings.SECRET_KEY]

    assert opens(keys)
    settings.SECRET_KEY_FALLBACKS = []
    assert (opens(keys), opens(refresh(keys))) == (False, True)


@pytest.fixture
def old(jana):
    """Logins of every age; returns the refresh tokens that stay."""
    enter(NOW - 31 * DAY)
    closed = enter(NOW - 10 * DAY)
    services.close_login(text=closed.refresh, now=NOW - 8 * DAY)
    late = enter(NOW - 10 * DAY)
    services.close_login(text=late.refresh, now=NOW - 6 * DAY)
    first = enter(NOW - 29 * DAY)
    second = refresh(first, NOW - 20 * DAY)
    third = refresh(second, NOW - DAY)
    return {keys.refresh.split("_")[1] for keys in (late, second, third)}


def left():
    return set(RefreshToken.objects.values_list("prefix", flat=True))


def counts():
    return {row.rule: row.count for row in CleanupReceipt.objects.all()}


def test_what_expired_or_was_revoked_a_week_ago_goes_and_the_receipt_says_so(old, drain):
    clean_tokens.send(limit=1)

    drain()

    assert (Job.objects.get().state, left(), Login.objects.count()) == ("succeeded", old, 2)
    assert counts() == {"expired": 1, "revoked": 2, "logins": 2}
    row = CleanupReceipt.objects.get(rule="expired")
    assert (row.run, row.oldest_at, row.finished_at is not None) == (Job.objects.get().id, NOW - DAY, True)


def test_twice_is_once_and_a_login_that_is_open_stays(old):
    runs = [
        services.clean_tokens(run=uuid7(), revoked_days=7, limit=500, now=NOW, report=lambda _done: None)
        for _ in range(2)
    ]

    assert runs == [{"expired": 1, "revoked": 2, "logins": 2}, {"expired": 0, "revoked": 0, "logins": 0}]
    assert left() == old


def test_a_dry_run_tells_what_the_command_deletes(old):
    said = []
    for options in ({"dry_run": True}, {}):
        out = StringIO()
        call_command("tokens_cleanup", stdout=out, **options)
        said.append([line.partition(",")[0] for line in out.getvalue().splitlines()])

    assert said == [
        [
            "Expired refresh tokens: would delete 1",
            "Refresh tokens revoked long ago: would delete 2",
            "Logins without a token: would delete 2",
        ],
        [
            "Expired refresh tokens: deleted 1",
            "Refresh tokens revoked long ago: deleted 2",
            "Logins without a token: deleted 2",
        ],
    ]
    assert left() == old


def test_options_below_one_are_refused(old):
    before = left()

    with pytest.raises(CommandError, match="revoked_days is 1 or more"):
        call_command("tokens_cleanup", revoked_days=0)
    assert left() == before


def test_the_schedule_is_five_every_day(transactional_db):
    job_services.sync_schedules(now=clock.now())

    row = JobSchedule.objects.get(key="tokens.cleanup")
    assert (row.default_cron, row.default_options) == ("0 5 * * *", {"revoked_days": 7, "limit": 500})


def test_marks_tell_kinds_of_tokens_apart(jana):
    keys = enter()

    assert [keys.access.split("_")[0], keys.refresh.split("_")[0]] == [ACCESS_MARK, REFRESH_MARK]
    assert TokenText.parse(keys.refresh) is None
