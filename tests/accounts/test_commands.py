from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from modules.accounts.models import User

pytestmark = pytest.mark.django_db


def create(*options):
    output = StringIO()
    call_command("accounts_create_operator", *options, stdout=output)
    return output.getvalue()


@pytest.fixture
def password(monkeypatch):
    return lambda text: monkeypatch.setenv("BACKROOM_ADMIN_PASSWORD", text)


def test_the_first_operator_may_do_everything(password):
    password("correct horse")

    assert create() == "Operator admin made.\n"
    operator = User.objects.get()
    found = (operator.username, operator.is_staff, operator.is_superuser, operator.check_password("correct horse"))
    assert found == ("admin", True, True, True)


def test_a_second_time_changes_nothing(password):
    password("correct horse")
    create()
    stored = User.objects.get().password
    password("battery staple")

    assert create() == "Operator admin was there already.\n"
    assert User.objects.get().password == stored


def test_a_password_is_replaced_only_when_that_is_asked_for(password):
    password("correct horse")
    create()
    password("battery staple")
    create("--set-password")

    assert User.objects.get().check_password("battery staple") is True


def test_the_same_password_again_logs_nobody_out(password):
    password("correct horse")
    create()
    stored = User.objects.get().password
    create("--set-password")

    assert User.objects.get().password == stored


def test_no_password_makes_no_operator(monkeypatch):
    monkeypatch.delenv("BACKROOM_ADMIN_PASSWORD", raising=False)

    with pytest.raises(CommandError, match="Set BACKROOM_ADMIN_PASSWORD"):
        create()

    assert User.objects.count() == 0
