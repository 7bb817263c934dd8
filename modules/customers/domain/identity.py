"""Whose an order is. Pure: no Django, no clock, no network."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from enum import StrEnum


class LinkedBy(StrEnum):
    """What made an order somebody's."""

    GUID = "guid"
    EMAIL = "email"
    CREATED = "created"  # the customer was made from this very order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIdentity:
    """What an order says about its customer; "" for what it does not say. `email` is normalized."""

    order_id: int
    channel_id: int
    guid: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedOrder:
    """An order whose customer is looked for; `email` as it was written, `owner_id` whose it is so far."""

    identity: OrderIdentity
    email: str
    full_name: str
    phone: str
    is_deleted: bool
    owner_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFacts:
    """What a shop says of one of its registered customers; "" for what it does not.

    `emails` as they are written, the main one first; a shop may know several, or none. `changed_at`: in the shop, None
    where it does not say.
    """

    guid: str
    emails: tuple[str, ...] = ()
    full_name: str = ""
    phone: str = ""
    company: str = ""
    city: str = ""
    country_code: str = ""
    language: str = ""
    group_name: str = ""
    changed_at: datetime | None = None


@dataclass(slots=True, eq=False)
class Person:
    """A customer, stored (`customer_id`) or to be made from the order `made_from`.

    `channels`: where the customer has an account already. `merged_emails`: of the customers merged into this one.
    `contact_emails`: others that orders of the customer's accounts were placed with. `parted_from`: ids of
    customers that somebody took out of this one again, or this one out of them.
    """

    customer_id: int | None
    email: str
    channels: set[int]
    made_from: OrderIdentity | None = None
    merged_emails: set[str] = field(default_factory=set)
    contact_emails: set[str] = field(default_factory=set)
    parted_from: set[int] = field(default_factory=set)

    @property
    def own_emails(self) -> set[str]:
        """Return the e-mails by which a guest is recognized as this customer."""
        return {self.email, *self.merged_emails} - {""}

    def may_take_in(self, guest: "Person") -> bool:
        """Return whether `guest` may become part of this one unasked: no account, and never parted again."""
        ids = {guest.customer_id, self.customer_id} - {None}
        return not guest.channels and not (self.parted_from | guest.parted_from) & ids


@dataclass(frozen=True, slots=True)
class Link:
    """An order and the person it belongs to."""

    order_id: int
    person: Person
    linked_by: LinkedBy


@dataclass(slots=True)
class Resolution:
    """Whose each order is, and what has to be stored for it to be so."""

    links: list[Link] = field(default_factory=list)
    new_persons: list[Person] = field(default_factory=list)
    new_accounts: dict[tuple[int, str], Person] = field(default_factory=dict)
    claims: list[tuple[Person, Person]] = field(default_factory=list)  # a guest, and the registered one it was
    nobody: list[int] = field(default_factory=list)  # ids of orders that name nobody
    ambiguous: list[int] = field(default_factory=list)  # ids of orders whose e-mail fits several customers
    ambiguous_emails: set[str] = field(default_factory=set)


def resolve_customers(
    orders: Iterable[OrderIdentity], *, accounts: Mapping[tuple[int, str], Person], persons: Iterable[Person]
) -> Resolution:
    """Return whose each order is: by the shop's GUID for the customer, else by e-mail, else nobody's.

    `accounts`: stored customers by (channel, GUID); `persons`: every stored customer with an e-mail of `orders`,
    its own or one of its accounts' orders. A GUID seen for the first time belongs to the one customer with that
    e-mail who has no account in the channel (a guest who registered); else it is somebody new. An account that
    orders with a guest's e-mail claims the guest. An e-mail that fits two customers is not guessed about.
    """
    book = _Book(accounts, persons)
    waiting = []
    for order in orders:
        if order.guid:
            book.link_by_guid(order)
        else:
            waiting.append(order)
    for order in waiting:  # after the accounts, so that the order of arrival inside a batch does not matter
        book.link_by_email(order)
    book.found.ambiguous_emails = book.shared_emails()
    return book.found


class _Book:
    """Who is who so far, while a batch of orders is gone through."""

    def __init__(self, accounts: Mapping[tuple[int, str], Person], persons: Iterable[Person]) -> None:
        self.found = Resolution()
        self.accounts = dict(accounts)
        self.by_email: defaultdict[str, list[Person]] = defaultdict(list)
        self.by_contact: defaultdict[str, list[Person]] = defaultdict(list)
        for person in persons:
            for email in person.own_emails:
                self.by_email[email].append(person)
            for email in person.contact_emails:
                self.by_contact[email].append(person)

    def link_by_guid(self, order: OrderIdentity) -> None:
        account = (order.channel_id, order.guid)
        person, linked_by = self.accounts.get(account), LinkedBy.GUID
        if person is None:
            person = self.guest(order)
            if person is None:
                person, linked_by = self.new_person(order), LinkedBy.CREATED
            person.channels.add(order.channel_id)
            self.accounts[account] = self.found.new_accounts[account] = person
        self.found.links.append(Link(order.order_id, person, linked_by))
        if order.email and order.email not in person.own_emails:
            self.note_contact(person, order.email)

    def guest(self, order: OrderIdentity) -> Person | None:
        """Return the only customer with the order's e-mail, unless that one has another account here."""
        people = self.by_email[order.email] if order.email else []
        return people[0] if len(people) == 1 and order.channel_id not in people[0].channels else None

    def note_contact(self, person: Person, email: str) -> None:
        """Remember an e-mail that an account ordered with, and claim the guest who is known by it."""
        if person not in self.by_contact[email]:
            self.by_contact[email].append(person)
            person.contact_emails.add(email)
        people = self.by_email[email]
        if len(people) == 1 and len(self.by_contact[email]) == 1 and person.may_take_in(people[0]):
            self.claim(people[0], person)

    def claim(self, guest: Person, person: Person) -> None:
        self.found.claims.append((guest, person))
        person.merged_emails |= guest.own_emails
        for email in guest.own_emails:
            others = [known for known in self.by_email[email] if known not in (guest, person)]
            self.by_email[email] = [*others, person]

    def link_by_email(self, order: OrderIdentity) -> None:
        if not order.email:
            self.found.nobody.append(order.order_id)
            return
        people = self.candidates(order.email)
        if len(people) > 1:
            self.found.ambiguous.append(order.order_id)
        elif people:
            self.found.links.append(Link(order.order_id, people[0], LinkedBy.EMAIL))
        else:
            self.found.links.append(Link(order.order_id, self.new_person(order), LinkedBy.CREATED))

    def candidates(self, email: str) -> list[Person]:
        """Return who a guest with this e-mail may be: whose own it is, else whose accounts ordered with it."""
        return self.by_email[email] or self.by_contact[email]

    def shared_emails(self) -> set[str]:
        """Return the e-mails that fit several customers."""
        return {email for email in {*self.by_email, *self.by_contact} if len(self.candidates(email)) > 1}

    def new_person(self, order: OrderIdentity) -> Person:
        person = Person(None, order.email, set(), made_from=order)
        self.found.new_persons.append(person)
        if order.email:
            self.by_email[order.email].append(person)
        return person


@dataclass(frozen=True, slots=True)
class AttachResult:
    """What an attachment did: links written, orders that name nobody or several, customers made and recalculated."""

    @classmethod
    def total(cls, results: "Iterable[AttachResult]") -> "AttachResult":
        """Return the sum of several."""
        rows = [astuple(result) for result in results]
        return cls(*(sum(column) for column in zip(*rows, strict=True))) if rows else cls()

    linked: int = 0
    nobody: int = 0
    ambiguous: int = 0
    customers_created: int = 0
    customers_touched: int = 0
