"""What a shop says of its registered customers: accounts, their e-mails and groups, and names that were missing."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from modules.customers import clients, selectors
from modules.customers.domain import AttachResult, OrderIdentity, ProfileFacts, resolve_customers
from modules.customers.models import Customer, CustomerAccount
from modules.customers.services._attach import store_accounts, store_claims
from modules.customers.services._metrics import write_metrics
from modules.customers.services._turns import wait_for_turn
from modules.orders import selectors as order_selectors
from modules.orders.domain import normalized_email

_FILLED = ("full_name", "phone", "company", "city", "country_code", "language")


def import_profiles(*, channel_id: int, profiles: Sequence[ProfileFacts], now: datetime) -> AttachResult:
    """Make or complete the customers that a shop knows; guests who turn out to be one of them are claimed.

    One transaction, a constant number of queries unless guests are claimed, at most a few hundred at once. Safe to
    repeat. `now` is when the shop said so. What a customer has already is not overwritten. Of two profiles with one
    GUID the later counts; one that the shop changed before what is stored, or that is from before its deletion,
    describes nobody. Raises SalesChannel.DoesNotExist, also for another tenant's channel.
    """
    tenant_id = order_selectors.get_channel(channel_id).tenant_id
    newest = {profile.guid: profile for profile in profiles}
    identities = [identity for profile in newest.values() for identity in _identities(profile, channel_id)]
    with transaction.atomic():
        wait_for_turn(tenant_id)
        accounts, persons = selectors.stored_persons(tenant_id=tenant_id, orders=identities)
        found = resolve_customers(identities, accounts=accounts, persons=persons)
        made_from = {person.made_from.guid: person for person in found.new_persons if person.made_from}
        made = Customer.objects.bulk_create([_customer(tenant_id, newest[guid]) for guid in made_from])
        for person, customer in zip(made_from.values(), made, strict=True):
            person.customer_id = customer.pk
        store_accounts(tenant_id, found)
        claimed = [person for pair in found.claims for person in pair]
        touched = {person.customer_id for person in (*found.new_persons, *claimed) if person.customer_id}
        store_claims(tenant_id, found, now=now)
        _describe(channel_id, newest.values(), at=now)
        write_metrics(tenant_id, touched, now=now)
        transaction.on_commit(clients.forget_counts)
    return AttachResult(customers_created=len(made), customers_touched=len(touched))


def _identities(profile: ProfileFacts, channel_id: int) -> list[OrderIdentity]:
    """Return the profile as orders would name it: once for each e-mail, the main one first."""
    emails = _normalized(profile.emails) or [""]
    return [OrderIdentity(order_id=0, channel_id=channel_id, guid=profile.guid, email=email) for email in emails]


def _normalized(emails: Sequence[str]) -> list[str]:
    return [email for email in dict.fromkeys(map(normalized_email, emails)) if email]


def _customer(tenant_id: int, profile: ProfileFacts) -> Customer:
    email = profile.emails[0].strip() if profile.emails else ""
    facts = {name: getattr(profile, name) for name in _FILLED}
    return Customer(tenant_id=tenant_id, email=email, email_normalized=normalized_email(email), **facts)


def _describe(channel_id: int, profiles: Iterable[ProfileFacts], *, at: datetime) -> None:
    """Write down what the shop said of each account `at` that time, and fill in what its customer lacks."""
    facts = {profile.guid: profile for profile in profiles}
    accounts = list(CustomerAccount.objects.filter(channel=channel_id, guid__in=facts).select_related("customer"))
    for account in accounts:
        profile = facts[account.guid]
        is_older = account.changed_at and profile.changed_at and profile.changed_at < account.changed_at
        if is_older or (account.deleted_at and at <= account.deleted_at):
            continue
        account.deleted_at, account.changed_at = None, profile.changed_at or account.changed_at
        account.emails, account.group_name = _normalized(profile.emails), profile.group_name
        for name in _FILLED:
            setattr(account.customer, name, getattr(account.customer, name) or getattr(profile, name))
    CustomerAccount.objects.bulk_update(accounts, ["emails", "group_name", "changed_at", "deleted_at"])
    customers = {account.customer_id: account.customer for account in accounts}
    Customer.objects.bulk_update(customers.values(), _FILLED)
