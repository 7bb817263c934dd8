"""Staff see their own tenants' rows; whatever belongs to others is simply not there."""

import pytest

from modules.accounts.models import Membership
from modules.jobs.models import Job
from modules.kernel.tenancy import all_tenants
from modules.shoptet.models import Shop
from tests.admin.factories import make_execution, make_job, make_order, make_shop, make_staff
from tests.admin.pages import OF_TENANTS, detail, listing, make_row, press, words


@pytest.mark.parametrize("name", OF_TENANTS)
def test_a_list_shows_staff_their_own_tenants_rows_only(viewer, alice, bob, name):
    make_row(name, alice, "Ours")
    make_row(name, bob, "Secret")

    text = words(viewer.get(listing(name)))

    assert ("Ours" in text, "Secret" in text) == (True, False)


@pytest.mark.parametrize("name", OF_TENANTS)
def test_a_foreign_row_is_not_found(viewer, bob, name):
    row = make_row(name, bob, "Secret")

    response = viewer.get(detail(name, row))

    assert response.status_code == 404
    assert "Secret" not in response.content.decode()


@pytest.mark.parametrize("name", OF_TENANTS)
def test_the_history_of_a_foreign_row_is_not_found(viewer, bob, name):
    row = make_row(name, bob, "Secret")

    assert viewer.get(detail(name, row).replace("/change/", "/history/")).status_code == 404


@pytest.mark.parametrize(
    ("name", "button"),
    [
        *[("jobs_job", "cancel"), ("jobs_job", "replay"), ("jobs_job", "discard")],
        *[("jobs_failedjob", "replay"), ("jobs_failedjob", "discard")],
        *[("jobs_replay", "pause"), ("jobs_replay", "resume"), ("jobs_replay", "cancel")],
        *[("shoptet_shop", "sync_orders"), ("shoptet_shop", "test_connection"), ("shoptet_parkedrecord", "retry")],
        ("shoptet_webhookevent", "again"),
        *[("notifications_emailmessage", "send_again"), ("notifications_emailmessage", "confirm_sent")],
        *[("notifications_suppression", "lift"), ("notifications_suppression", "restore")],
        *[("drafts_invitation", "revoke"), ("drafts_syncitem", "try_again")],
    ],
)
def test_a_button_of_a_foreign_row_is_not_found_and_does_nothing(operator, bob, name, button):
    row = make_row(name, bob, "Secret")
    before = list(Job.objects.order_by("id").values_list("id", "state"))

    assert operator.post(press(name, row, button)).status_code == 404
    assert list(Job.objects.order_by("id").values_list("id", "state")) == before


def test_jobs_of_no_tenant_are_for_readers_of_all(viewer, root):
    make_job(actor="tests.nobodys")

    assert ["tests.nobodys" in words(client.get(listing("jobs_job"))) for client in (viewer, root)] == [False, True]


def test_a_bulk_action_leaves_foreign_jobs_alone(operator, alice, bob):
    ours, secret = make_job("failed", tenant_id=alice.pk), make_job("failed", tenant_id=bob.pk)

    operator.post(listing("jobs_failedjob"), {"action": "replay_selected", "_selected_action": [ours.pk, secret.pk]})

    assert (Job.objects.get(pk=ours.pk).state, Job.objects.get(pk=secret.pk).state) == ("queued", "failed")


def test_all_matching_means_all_of_the_readers_tenants(operator, alice, bob):
    ours, secret = make_job("failed", tenant_id=alice.pk), make_job("failed", tenant_id=bob.pk)

    operator.post("/admin/jobs/failedjob/matching/replay/", {"reason": "the shop is back"})

    assert (Job.objects.get(pk=ours.pk).state, Job.objects.get(pk=secret.pk).state) == ("queued", "failed")


def test_the_tenant_filter_does_not_open_a_foreign_tenant(viewer, bob):
    make_job("failed", tenant_id=bob.pk, error_message="Secret")

    response = viewer.get(listing("jobs_job", f"?tenant={bob.pk}"))

    assert ("Secret" in words(response), "Bob" in words(response)) == (False, False)


def test_a_search_by_id_does_not_find_a_foreign_job(viewer, bob):
    job = make_job("failed", tenant_id=bob.pk, error_message="Secret")

    assert "Secret" not in words(viewer.get(listing("jobs_job", f"?q={job.pk}")))


def test_the_same_cause_is_counted_among_the_readers_own_jobs(viewer, alice, bob):
    make_job("failed", tenant_id=alice.pk)
    for _ in range(4):
        make_job("failed", tenant_id=bob.pk)

    text = words(viewer.get(listing("jobs_failedjob")))

    assert ("1 job ffffffff" in text, "5 jobs" in text) == (True, False)


def test_a_job_does_not_name_the_foreign_job_that_sent_it(viewer, alice, bob):
    cause = make_job(tenant_id=bob.pk, actor="tests.secret_cause")
    job = make_job(tenant_id=alice.pk, cause_id=cause.pk)

    assert "tests.secret_cause" not in words(viewer.get(detail("jobs_job", job)))


def test_a_workers_page_lists_the_readers_own_jobs_only(viewer, alice, bob):
    secret = make_job("running", tenant_id=bob.pk, actor="tests.secret_actor")

    text = words(viewer.get(f"/admin/jobs/worker/{secret.worker_id}/change/"))

    assert "tests.secret_actor" not in text


def test_the_home_page_counts_the_readers_own_jobs_and_shops(viewer, root, alice, bob):
    make_shop(alice, "ours", last_error="")
    make_shop(bob, "theirs", last_error="The token is wrong.")
    make_job("failed", tenant_id=alice.pk)
    for _ in range(2):
        make_job("failed", tenant_id=bob.pk)

    cards = [
        {str(card.label): card.value for card in client.get("/admin/").context["cards"]} for client in (viewer, root)
    ]

    assert [(card["Failed in 24 h"], card["Shop errors"]) for card in cards] == [(1, 0), (3, 1)]


def test_filters_do_not_name_foreign_shops(viewer, alice, bob):
    make_execution(make_shop(alice, "ours"))
    make_execution(make_shop(bob, "Secret"))

    assert "Secret" not in words(viewer.get(listing("shoptet_snapshotexecution")))


def test_orders_of_a_foreign_channel_stay_hidden_behind_a_filter(viewer, bob):
    shop = make_shop(bob, "theirs")
    make_order(shop, full_name="Secret")

    assert "Secret" not in words(viewer.get(listing("orders_order", f"?channel__id__exact={shop.channel_id}")))


def test_staff_cannot_add_a_shop_to_a_foreign_tenant(alice, bob, login):
    client = login(make_staff("adder", tenants=[alice], permissions=["shoptet.add_shop", "shoptet.view_shop"]))
    facts = {"name": "mine", "base_url": "https://api.example.com", "token": "t", "is_active": "on"}

    response = client.post("/admin/shoptet/shop/add/", {**facts, "tenant": bob.pk})

    assert list(response.context["adminform"].form.errors) == ["tenant"]
    with all_tenants():
        assert Shop.objects.count() == 0


@pytest.mark.parametrize("name", ["accounts_tenant", "accounts_user", "accounts_membership"])
def test_only_superusers_change_who_may_see_what(alice, login, name):
    codes = ["add", "change", "delete", "view"]
    everything = [f"accounts.{code}_{model}" for code in codes for model in ("tenant", "user", "membership")]
    client = login(make_staff("climber", tenants=[alice], permissions=everything))
    row = make_row(name, alice, "Mark")

    codes = [client.post(detail(name, row)).status_code, client.post(listing(name) + "add/").status_code]

    assert codes == [403, 403]
    assert Membership.objects.filter(user__username="climber").count() == 1


def test_a_colleagues_other_tenants_stay_hidden(viewer, alice, bob):
    colleague = make_staff("colleague", tenants=[alice, bob], permissions=[])

    pages = [viewer.get(listing("accounts_user")), viewer.get(detail("accounts_user", colleague))]

    assert ["Bob" in words(page) for page in pages] == [False, False]


def test_staff_cannot_set_a_colleagues_password(alice, login):
    client = login(make_staff("climber", tenants=[alice], permissions=["accounts.change_user", "accounts.view_user"]))
    colleague = make_staff("colleague", tenants=[alice], permissions=[])

    passwords = {"password1": "new-secret-1", "password2": "new-secret-1", "usable_password": "true"}
    response = client.post(f"/admin/accounts/user/{colleague.pk}/password/", passwords)

    colleague.refresh_from_db()
    assert (response.status_code, colleague.check_password("colleague")) == (403, True)


def test_the_search_for_a_person_finds_colleagues_only(viewer, bob):
    make_staff("stranger", tenants=[bob], permissions=[])

    query = "?app_label=accounts&model_name=membership&field_name=user&term="
    found = viewer.get(f"/admin/autocomplete/{query}").json()["results"]

    assert [person["text"] for person in found] == ["viewer"]


def test_groups_of_permissions_are_for_superusers(alice, login, root):
    codes = ["auth.add_group", "auth.change_group", "auth.view_group"]
    client = login(make_staff("climber", tenants=[alice], permissions=codes))

    assert [who.get("/admin/auth/group/add/").status_code for who in (client, root)] == [403, 200]


def test_a_superuser_sets_a_persons_language_and_time_zone(root, alice):
    person = make_staff("person", tenants=[alice], permissions=[])
    page = root.get(detail("accounts_user", person))
    form = page.context["adminform"].form
    fields = {name: value for name, value in form.initial.items() if value not in (None, False) and name != "password"}
    rows = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    joined = {f"date_joined_{part}": value for part, value in enumerate(("2026-01-01", "10:00:00"))}
    sent = {**fields, **joined, **rows, "locale": "cs", "groups": [], "user_permissions": []}

    wrong = root.post(detail("accounts_user", person), {**sent, "timezone": "Europe/Praha"})
    root.post(detail("accounts_user", person), {**sent, "timezone": "America/New_York"})

    person.refresh_from_db()
    assert list(wrong.context["adminform"].form.errors) == ["timezone"]
    assert (person.locale, person.timezone) == ("cs", "America/New_York")
