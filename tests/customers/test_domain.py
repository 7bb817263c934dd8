from hypothesis import given
from hypothesis import strategies as st

from modules.customers.domain import LinkedBy, OrderIdentity, Person, resolve_customers


def order(order_id, *, guid="", email="", channel_id=1):
    return OrderIdentity(order_id=order_id, channel_id=channel_id, guid=guid, email=email)


def resolve(*orders, accounts=None, persons=()):
    return resolve_customers(orders, accounts=accounts or {}, persons=persons)


def owners(found):
    """Which orders belong together, whoever it is."""
    groups = {}
    for link in found.links:
        groups.setdefault(id(link.person), set()).add(link.order_id)
    return sorted(map(sorted, groups.values()))


def test_a_known_account_wins_over_the_email():
    registered, other = Person(1, "a@x", {1}), Person(2, "b@x", set())

    found = resolve(order(10, guid="g", email="b@x"), accounts={(1, "g"): registered}, persons=[registered, other])

    assert [(link.person.customer_id, link.linked_by) for link in found.links] == [(1, LinkedBy.GUID)]


def test_a_guest_who_registers_is_the_same_customer():
    guest = Person(1, "a@x", set())

    found = resolve(order(10, guid="g", email="a@x"), persons=[guest])

    assert [(link.person, link.linked_by) for link in found.links] == [(guest, LinkedBy.GUID)]
    assert found.new_accounts == {(1, "g"): guest}
    assert found.new_persons == []


def test_a_second_account_with_the_same_email_is_somebody_else_and_makes_the_email_doubtful():
    first = Person(1, "a@x", {1})

    found = resolve(order(10, guid="g2", email="a@x"), order(11, email="a@x"), persons=[first])

    assert [link.order_id for link in found.links] == [10]
    assert found.links[0].person is found.new_persons[0]
    assert (found.ambiguous, found.ambiguous_emails) == ([11], {"a@x"})


def test_one_person_may_have_accounts_in_two_shops():
    person = Person(1, "a@x", {1})

    found = resolve(order(10, guid="h", email="a@x", channel_id=2), persons=[person])

    assert [link.person for link in found.links] == [person]


def test_a_guest_is_made_once_for_all_orders_of_an_email():
    found = resolve(order(10, email="a@x"), order(11, email="a@x"), order(12, email="b@x"))

    assert owners(found) == [[10, 11], [12]]
    assert [link.linked_by for link in found.links] == [LinkedBy.CREATED, LinkedBy.EMAIL, LinkedBy.CREATED]


def test_an_order_that_names_nobody_stays_alone():
    found = resolve(order(10))

    assert (found.links, found.nobody) == ([], [10])


def test_an_account_without_an_email_is_known_by_its_guid_only():
    found = resolve(order(10, guid="g"), order(11, guid="h"), order(12, guid="g"))

    assert owners(found) == [[10, 12], [11]]
    assert found.ambiguous_emails == set()


identities = st.lists(
    st.tuples(st.sampled_from(["", "g1", "g2", "g3"]), st.sampled_from(["", "a@x", "b@x"]), st.sampled_from([1, 2])),
    max_size=12,
)


@given(identities)
def test_every_order_is_somebodys_nobodys_or_doubtful_and_an_account_is_one_person(drawn):
    orders = [
        order(number, guid=guid, email=email, channel_id=shop) for number, (guid, email, shop) in enumerate(drawn)
    ]

    found = resolve(*orders)

    linked = [link.order_id for link in found.links]
    assert sorted([*linked, *found.nobody, *found.ambiguous]) == [each.order_id for each in orders]
    people = {link.order_id: id(link.person) for link in found.links}
    accounts = {}
    for each in orders:
        if each.guid:
            accounts.setdefault((each.channel_id, each.guid), set()).add(people[each.order_id])
    assert {len(persons) for persons in accounts.values()} <= {1}
    assert found.nobody == [each.order_id for each in orders if not each.guid and not each.email]


@given(identities)
def test_a_second_look_at_the_same_orders_changes_nothing(drawn):
    orders = [
        order(number, guid=guid, email=email, channel_id=shop) for number, (guid, email, shop) in enumerate(drawn)
    ]
    first = resolve(*orders)
    for number, person in enumerate(first.new_persons):
        person.customer_id = number

    second = resolve(*orders, accounts=first.new_accounts, persons=[p for p in first.new_persons if p.email])

    assert (second.new_persons, second.new_accounts) == ([], {})
    assert owners(second) == owners(first)
    assert (second.nobody, second.ambiguous) == (first.nobody, first.ambiguous)
