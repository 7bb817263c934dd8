"""An invitation is accepted by one, or expires, and its owner is told which."""

import threading
from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.models import F

from modules.accounts.models import Membership, User
from modules.drafts import services
from modules.drafts.actors import expire_invitations
from modules.drafts.models import Invitation, ShareMember
from modules.drafts.services import InvitationClosed, InvitationUnknown
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import tenant_scope
from modules.notifications.models import EmailMessage, Notification
from tests.drafts.factories import DAY, make_invitation, make_member, make_property

pytestmark = pytest.mark.django_db


@pytest.fixture
def guest(db):
    return User.objects.create_user("petr", "petr@example.com", first_name="Petr")


@pytest.fixture
def offer(cottage, jana):
    return invite(cottage, jana)


def invite(cottage, jana, **options):
    given = {"target_type": "property", "target_id": cottage.pk, "email": "Petr@example.com", "now": clock.now()}
    return services.invite(tenant_id=cottage.tenant_id, invited_by_id=jana.pk, **{**given, **options})


def expire(limit=200, now=None):
    return services.expire_invitations(limit=limit, now=now or clock.now())


def test_an_overdue_one_expires_and_its_owner_is_told_exactly_this(cottage, jana):
    overdue = make_invitation(cottage, jana, email="petr@example.com")
    waiting = make_invitation(cottage, jana, expires_in=DAY)

    assert expire() == 1

    assert list(Invitation.objects.order_by("id").values_list("status", flat=True)) == ["expired", "pending"]
    notice = Notification.objects.get()
    assert (notice.user, notice.type) == (jana, "invitation_expired")
    assert notice.payload == {
        "invitationId": str(overdue.public_id),
        "email": "petr@example.com",
        "targetType": "property",
        "targetName": "Chalupa",
    }
    assert waiting.ended_at is None


def test_twice_is_once(cottage, jana):
    make_invitation(cottage, jana)

    assert (expire(), expire(), Notification.objects.count()) == (1, 0, 1)


def test_two_at_once_expire_each_once(cottage, jana, at_once):
    for _ in range(20):
        make_invitation(cottage, jana)

    assert sum(at_once(expire, expire)) == 20
    assert Notification.objects.count() == 20


@pytest.mark.parametrize("ended", ["accepted", "revoked"])
def test_what_has_ended_does_not_expire(cottage, jana, ended):
    make_invitation(cottage, jana, status=ended, ended_at=clock.now())

    assert (expire(), Notification.objects.count()) == (0, 0)


def test_an_owner_who_left_holds_up_nobody(alice, cottage, jana):
    petr = make_member(alice, "petr2")
    make_invitation(cottage, petr), make_invitation(cottage, None), make_invitation(cottage, jana)
    Membership.objects.filter(user=petr).delete()

    assert (expire(), Notification.objects.get().user) == (3, jana)


def test_a_batch_whose_owners_cannot_be_told_expires_nothing(cottage, jana, transactional_db):
    make_invitation(cottage, jana)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notifications_notification ADD CONSTRAINT none CHECK (user_id = 0)")
    try:
        with pytest.raises(IntegrityError, match="none"):
            expire()
        assert Invitation.objects.get().status == "pending"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE notifications_notification DROP CONSTRAINT none")


def test_the_job_expires_all_of_all_tenants_in_batches(cottage, jana, bob, drain):
    owner = make_member(bob, "owner")
    theirs = make_property(bob, owner=owner, name="Secret")
    for place, user in [(cottage, jana)] * 3 + [(theirs, owner)] * 2:
        make_invitation(place, user)
    expire_invitations.send(limit=2)

    drain()

    assert (Job.objects.get().state, "expired 5" in Job.objects.get().attempts.get().log) == ("succeeded", True)
    told = Notification.objects.values_list("tenant__name", "user__username", "payload__targetName")
    assert sorted(told) == [("Alice", "jana", "Chalupa")] * 3 + [("Bob", "owner", "Secret")] * 2


def test_a_tenants_scope_expires_its_own_alone(cottage, jana, bob):
    make_invitation(make_property(bob), None)
    with tenant_scope(cottage.tenant_id):
        assert expire() == 0


def test_accepting_shares_and_tells_the_owner(offer, guest, jana, cottage):
    share = services.accept_invitation(token=offer.token, user_id=guest.pk, now=clock.now())

    assert (share.user, share.target_type, share.target_id, share.role) == (guest, "property", cottage.pk, "reader")
    assert (Notification.objects.get().type, Notification.objects.get().user) == ("invitation_accepted", jana)


def test_accepted_again_by_the_same_person_it_is_the_same_share(offer, guest):
    shares = [services.accept_invitation(token=offer.token, user_id=guest.pk, now=clock.now()) for _ in range(2)]

    assert (shares[0], Notification.objects.count()) == (shares[1], 1)


def test_accepted_it_is_closed_for_others(offer, guest, jana):
    services.accept_invitation(token=offer.token, user_id=guest.pk, now=clock.now())

    with pytest.raises(InvitationClosed, match="accepted"):
        services.accept_invitation(token=offer.token, user_id=jana.pk, now=clock.now())


def test_of_many_at_once_one_takes_it(offer, guest, jana, alice, at_once):
    people = [guest, jana, make_member(alice, "eva"), make_member(alice, "ota")]

    def take(user):
        return lambda: services.accept_invitation(token=offer.token, user_id=user.pk, now=clock.now())

    answers = at_once(*(take(user) for user in people))

    assert sorted(type(answer).__name__ for answer in answers) == ["InvitationClosed"] * 3 + ["ShareMember"]
    assert ShareMember.objects.count() == 1


@pytest.mark.parametrize("tries", [50, pytest.param(1_000, marks=[pytest.mark.journey, pytest.mark.timeout(300)])])
def test_at_the_instant_of_its_expiry_it_is_accepted_or_expired_and_never_both(tries, cottage, jana, guest, at_once):
    now, gate = clock.now(), threading.Barrier(2, timeout=20)
    offers = [
        invite(cottage, jana, email=f"{n}@example.com", now=now, valid_for=timedelta(hours=1, seconds=n))
        for n in range(tries)
    ]
    instants = [offer.invitation.expires_at for offer in offers]

    def take(offer, instant):
        gate.wait()
        try:
            just_before = instant - timedelta(microseconds=1)
            services.accept_invitation(token=offer.token, user_id=guest.pk, now=just_before)
        except InvitationClosed:
            return "expired"
        return "accepted"

    def expire_one(instant):
        gate.wait()
        return expire(now=instant)

    taken, expired = at_once(
        lambda: [take(*pair) for pair in zip(offers, instants, strict=True)],
        lambda: [expire_one(instant) for instant in instants],
        seconds=20 + tries / 5,
    )

    found = list(Invitation.objects.order_by("expires_at").values_list("status", flat=True))
    assert taken == found
    assert expired == [int(status == "expired") for status in found]
    kinds = Notification.objects.values_list("type", flat=True)
    assert Counter(kinds) == Counter(f"invitation_{status}" for status in found)


def test_too_old_it_is_refused_before_any_job_called_it_so(offer, guest):
    with pytest.raises(InvitationClosed) as refused:
        services.accept_invitation(token=offer.token, user_id=guest.pk, now=offer.invitation.expires_at)

    assert (refused.value.status, ShareMember.objects.count()) == ("expired", 0)


def test_withdrawn_it_is_closed(offer, guest):
    assert services.revoke_invitation(invitation_id=offer.invitation.pk, now=clock.now())
    assert not services.revoke_invitation(invitation_id=offer.invitation.pk, now=clock.now())

    with pytest.raises(InvitationClosed, match="revoked"):
        services.accept_invitation(token=offer.token, user_id=guest.pk, now=clock.now())


def test_a_wrong_token_is_nobodys(offer, guest):
    with pytest.raises(InvitationUnknown):
        services.accept_invitation(token=offer.token + "x", user_id=guest.pk, now=clock.now())


def test_the_token_is_kept_nowhere(offer, mails):
    row = Invitation.objects.values().get()

    assert [name for name, value in row.items() if offer.token in str(value)] == []


def test_the_same_offer_waits_once_and_may_be_repeated_when_it_ended(cottage, jana, offer):
    with pytest.raises(IntegrityError, match="drafts_invitation_once"):
        invite(cottage, jana)
    Invitation.objects.update(expires_at=F("created_at") + timedelta(microseconds=1))
    expire()

    assert invite(cottage, jana).invitation.status == "pending"


@pytest.mark.parametrize("target", ["project", "property", "unit"])
def test_what_is_not_there_or_another_tenants_is_not_shared(cottage, jana, bob, target):
    theirs = make_property(bob)
    unit = services.add_unit(of=theirs, name="Garáž", now=clock.now())
    number = {"project": theirs.project_id, "property": theirs.pk, "unit": unit.pk}[target]

    with pytest.raises(services.NoSuchTarget):
        invite(cottage, jana, target_type=target, target_id=number)
    assert Invitation.objects.count() == 0


def test_the_offer_and_its_acceptance_are_mailed(mails, cottage, jana, guest):
    offer = invite(cottage, jana)
    services.accept_invitation(token=offer.token, user_id=guest.pk, now=clock.now())

    found = EmailMessage.objects.order_by("id").values_list("template", "recipients__address", "locale")
    assert list(found) == [
        ("invitation", "petr@example.com", "cs"),
        ("invitation_accepted", "jana@example.com", "cs"),
    ]


def test_the_command_counts_or_expires(cottage, jana):
    make_invitation(cottage, jana)
    out = StringIO()

    call_command("invitations_expire", dry_run=True, stdout=out)
    assert (out.getvalue(), Invitation.objects.get().status) == ("would expire 1\n", "pending")
    call_command("invitations_expire", stdout=out)

    assert (out.getvalue(), Invitation.objects.get().status) == ("would expire 1\nexpired 1\n", "expired")
