"""What many people may see of the diary at once: `_rights` for a batch of them, in a fixed number of questions."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from modules.accounts.models import Membership
from modules.drafts.models import Project, Property, ShareMember, TargetType, Unit


class Who(NamedTuple):
    """A person as a member of a tenant."""

    tenant_id: int
    user_id: int


Readers = dict[int, set[Who]]


@dataclass
class Places:
    """Who sees what, by its number, without what is deleted. A unit is here for who sees that part of a house alone."""

    projects: Readers = field(default_factory=lambda: defaultdict(set))
    properties: Readers = field(default_factory=lambda: defaultdict(set))
    units: Readers = field(default_factory=lambda: defaultdict(set))
    names: dict[tuple[str, int], str] = field(default_factory=dict)

    def readers(self, *, property_id: int, unit_id: int | None) -> set[Who]:
        """Return who sees what is written about a unit, or about the house as a whole."""
        return self.properties.get(property_id, set()) | self.units.get(unit_id or 0, set())


def places_of(people: Collection[Who]) -> Places:
    """Return what these people see; six questions, however many they are."""
    places, shared = Places(), _shares(people)
    _add_projects(places, people, shared[TargetType.PROJECT])
    _add_properties(places, shared[TargetType.PROPERTY])
    _add_units(places, shared[TargetType.UNIT])
    return places


def _shares(people: Collection[Who]) -> dict[str, Readers]:
    found: dict[str, Readers] = defaultdict(lambda: defaultdict(set))
    rows = ShareMember.objects.filter(
        tenant_id__in={who.tenant_id for who in people}, user_id__in={who.user_id for who in people}
    )
    for tenant_id, user_id, kind, target_id in rows.values_list("tenant_id", "user_id", "target_type", "target_id"):
        if Who(tenant_id, user_id) in people:
            found[kind][target_id].add(Who(tenant_id, user_id))
    return found


def _add_projects(places: Places, people: Collection[Who], shared: Readers) -> None:
    there = Project.objects.filter(tenant_id__in={who.tenant_id for who in people}, deleted_at=None)
    admins = _admins(people)
    owned = there.filter(owner_id__in={who.user_id for who in people})
    of_nobody = there.filter(owner=None, tenant_id__in={who.tenant_id for who in admins})
    for project in owned.union(of_nobody, there.filter(pk__in=list(shared)), all=True).order_by():
        allowed = {who for who in shared.get(project.pk, set()) if who.tenant_id == project.tenant_id}
        places.projects[project.pk] |= allowed | _owners(project, people, admins)
        places.names[TargetType.PROJECT, project.pk] = project.name


def _admins(people: Collection[Who]) -> set[Who]:
    """Return those of the people who hold what nobody in their tenant owns."""
    admins = Membership.objects.filter(role=Membership.Role.ADMIN, user_id__in={who.user_id for who in people})
    return {Who(*pair) for pair in admins.values_list("tenant_id", "user_id")} & set(people)


def _owners(project: Project, people: Collection[Who], admins: set[Who]) -> set[Who]:
    if project.owner_id is None:
        return {who for who in admins if who.tenant_id == project.tenant_id}
    return {Who(project.tenant_id, project.owner_id)} & set(people)


def _add_properties(places: Places, shared: Readers) -> None:
    there = Property.objects.filter(deleted_at=None, project__deleted_at=None)
    found = there.filter(project_id__in=list(places.projects)).union(there.filter(pk__in=list(shared)), all=True)
    for place in found.order_by():
        allowed = {who for who in shared.get(place.pk, set()) if who.tenant_id == place.tenant_id}
        places.properties[place.pk] |= allowed | places.projects.get(place.project_id, set())
        places.names[TargetType.PROPERTY, place.pk] = place.name


def _add_units(places: Places, shared: Readers) -> None:
    there = Unit.objects.filter(pk__in=list(shared), deleted_at=None, property__deleted_at=None)
    for unit in there.filter(property__project__deleted_at=None):
        places.units[unit.pk] |= {who for who in shared[unit.pk] if who.tenant_id == unit.tenant_id}
        places.names[TargetType.UNIT, unit.pk] = unit.name
