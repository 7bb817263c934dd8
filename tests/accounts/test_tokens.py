from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from modules.accounts import selectors, services
from modules.accounts.domain import TokenText, UnknownScope
from modules.accounts.models import ApiToken, Tenant
from modules.kernel import clock


@pytest.fixture
def tenant(db):
    return Tenant.objects.create(name="Alice")


@pytest.fixture
def make_token(tenant):
    def make(**fields):
        return services.create_token(tenant_id=tenant.pk, name="shop", scopes=["jobs:read"], **fields)

    return make


def create(*options):
    output, note = StringIO(), StringIO()
    call_command("accounts_create_token", *options, stdout=output, stderr=note)
    return output.getvalue().strip(), note.getvalue()


def test_a_token_is_found_by_its_text(make_token):
    token, text = make_token()

    assert selectors.find_token(str(text), now=clock.now()) == token


def test_the_secret_is_kept_nowhere(make_token):
    token, text = make_token()

    secret = str(text).rpartition("_")[2]
    stored = ApiToken.objects.filter(pk=token.pk).values().get()
    assert [name for name, value in stored.items() if secret in str(value) or text.secret.hex() in str(value)] == []
    assert secret not in repr(text)


def test_a_token_with_another_secret_is_not_found(make_token):
    _, text = make_token()

    forged = TokenText(text.prefix, TokenText.new().secret)

    assert selectors.find_token(str(forged), now=clock.now()) is None


def test_a_token_with_another_prefix_is_not_found(make_token):
    _, text = make_token()

    assert selectors.find_token(str(TokenText(TokenText.new().prefix, text.secret)), now=clock.now()) is None


def test_a_token_ends_at_the_instant_it_expires(make_token):
    now = clock.now()
    _, text = make_token(expires_at=now)

    found = [selectors.find_token(str(text), now=now - timedelta(seconds=age)) for age in (1, 0)]

    assert [token is not None for token in found] == [True, False]


def test_a_revoked_token_opens_nothing_and_a_second_time_changes_nothing(make_token):
    token, text = make_token()
    now = clock.now()

    revoked = [services.revoke_token(prefix=token.prefix, now=now + timedelta(hours=n)) for n in range(2)]

    assert revoked == [True, False]
    assert selectors.find_token(str(text), now=now) is None
    assert ApiToken.objects.get().revoked_at == now


def test_a_token_of_an_inactive_tenant_opens_nothing(tenant, make_token):
    _, text = make_token()
    Tenant.objects.update(is_active=False)

    assert selectors.find_token(str(text), now=clock.now()) is None


def test_an_unknown_scope_is_refused(tenant):
    with pytest.raises(UnknownScope, match="Unknown scope: jobs:all; there are: jobs:read, jobs:write"):
        services.create_token(tenant_id=tenant.pk, name="x", scopes=["jobs:read", "jobs:all"])

    assert ApiToken.objects.count() == 0


def test_use_is_written_down_at_most_once_a_minute(make_token):
    now = clock.now()
    make_token()
    written = []
    for seconds in (0, 59, 60, 61):
        services.note_use(ApiToken.objects.get(), now=now + timedelta(seconds=seconds))
        written.append((ApiToken.objects.get().last_used_at - now).total_seconds())

    assert written == [0, 0, 60, 60]


def test_a_use_that_is_fresh_costs_no_statement(make_token, django_assert_num_queries):
    token, _ = make_token()
    token.last_used_at = clock.now()

    with django_assert_num_queries(0):
        services.note_use(token, now=clock.now())


@given(st.builds(TokenText.new))
def test_a_token_is_read_back_as_it_was_written(text):
    assert TokenText.parse(str(text)) == text


@given(st.text() | st.from_regex(r"br_[0-9a-f]{12}_[A-Za-z0-9_-]{42}", fullmatch=True))
def test_any_other_text_is_no_token(text):
    assert TokenText.parse(text) is None


def test_the_command_prints_a_token_that_works_and_nothing_else(tenant):
    printed, note = create("--tenant", "Alice", "--name", "shop", "--scopes", "jobs:write", "jobs:read", "--days", "30")

    token = selectors.find_token(printed, now=clock.now())
    assert (token.name, token.scopes) == ("shop", ["jobs:read", "jobs:write"])
    assert (token.expires_at - clock.now()).days == 29
    assert note == f"Keep it now: it is shown this once. Revoke it with accounts_revoke_token {token.prefix}.\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tenant", "Bob", "--name", "x", "--scopes", "jobs:read"], "no tenant called Bob"),
        (["--tenant", "Alice", "--name", "x", "--scopes", "all"], "Unknown scope: all"),
        (["--tenant", "Alice", "--name", "x", "--scopes", "jobs:read", "--days", "0"], "from 1 to 3650"),
    ],
)
def test_the_command_says_what_is_wrong(tenant, options, words):
    with pytest.raises(CommandError, match=words):
        create(*options)

    assert ApiToken.objects.count() == 0


def test_the_other_command_revokes(make_token):
    token, text = make_token()
    output = StringIO()
    for _ in range(2):
        call_command("accounts_revoke_token", token.prefix, stdout=output)

    assert output.getvalue() == f"Token {token.prefix} revoked.\nToken {token.prefix} was revoked before.\n"
    assert selectors.find_token(str(text), now=clock.now()) is None


def test_the_other_command_knows_no_stranger(tenant):
    with pytest.raises(CommandError, match="No token begins with 123"):
        call_command("accounts_revoke_token", "123")
