"""Whose summary is due, and what is in it: a fixed number of questions for a batch of people, whatever they did."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from modules.accounts.models import Membership, User
from modules.drafts.models import Comment, Document, Invitation, Record, ShareMember, TargetType, Unit
from modules.drafts.selectors import Places, Who, places_of
from modules.notifications.domain import Channel, Kind
from modules.notifications.models import Preference
from modules.reports.domain import MAX_ITEMS, Summary, Turn, find_turn
from modules.reports.models import WeeklySummary

_IS_DRAFT = Q(status=Record.Status.DRAFT, deletion_started_at=None)


def due_turns(*, cron: str, late_hours: int, now: datetime) -> dict[Turn, list[str]]:
    """Return the zones of people in which the time has come, each with the names by which people have it."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in User.objects.filter(is_active=True).order_by().values_list("timezone", flat=True).distinct():
        names[_zone(name)].append(name)
    turns = {zone: find_turn(zone=zone, cron=cron, late_hours=late_hours, now=now) for zone in sorted(names)}
    return {turn: names[zone] for zone, turn in turns.items() if turn}


@dataclass(frozen=True)
class Reader:
    """A member to write to; `number` is that of the membership, an empty locale is the installation's."""

    number: int
    who: Who
    name: str
    email: str
    locale: str


def due_readers(turn: Turn, *, zone_names: Sequence[str], limit: int, after: int = 0) -> list[Reader]:
    """Return the next members, in order of number, who want a summary and whose week was not dealt with.

    Who joined after the clock had come to it waits for the next week.
    """
    found = Membership.objects.filter(user__is_active=True, tenant__is_active=True, user__timezone__in=zone_names)
    theirs = {"tenant_id": OuterRef("tenant_id"), "user_id": OuterRef("user_id")}
    done = WeeklySummary.objects.filter(week=turn.week, **theirs)
    said_no = Preference.objects.filter(type=Kind.WEEKLY_SUMMARY, channel=Channel.EMAIL, is_on=False, **theirs)
    due = found.filter(pk__gt=after, user__date_joined__lt=turn.due_at).exclude(Exists(done)).exclude(Exists(said_no))
    return [_reader(member) for member in due.select_related("user").order_by("pk")[:limit]]


def _reader(member: Membership) -> Reader:
    user, who = member.user, Who(member.tenant_id, member.user_id)
    return Reader(member.pk, who, _name(user), user.email, user.locale)


def summaries_of(readers: Sequence[Reader], turn: Turn, *, now: datetime) -> dict[Who, Summary]:
    """Return each member's week; everybody has one, be there anything to tell or not."""
    people = {reader.who: Summary() for reader in readers}
    places = places_of(people.keys())
    _tell_own(people, turn)
    _tell_invitations(people, readers, now)
    _tell_records(people, places, turn)
    _tell_comments(people, places, turn)
    _tell_members(people, places, turn)
    return people


def _zone(name: str) -> str:
    """Return the zone of that name; the installation's where there is none, or none that exists."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):  # one that an update dropped must not cost everybody's mail
        return str(settings.TIME_ZONE)


def _within(moment: str, turn: Turn) -> Q:
    return Q(**{f"{moment}__gte": turn.start, f"{moment}__lt": turn.end})


def _of(rows: "QuerySet[Any]", person: str, people: Collection[Who]) -> "QuerySet[Any]":
    tenants, users = {who.tenant_id for who in people}, {who.user_id for who in people}
    return rows.filter(tenant_id__in=tenants, deleted_at=None, **{f"{person}__in": users}).order_by()


def _tell_own(people: dict[Who, Summary], turn: Turn) -> None:
    """Tell what they did, and which of their drafts wait."""
    records = _of(Record.objects.all(), "author_id", people).values_list("tenant_id", "author_id")
    counts = {
        "records_created": Count("id", filter=_within("created_at", turn)),
        "records_updated": Count("id", filter=_within("edited_at", turn) & Q(created_at__lt=turn.start)),
        "pending_drafts": Count("id", filter=_IS_DRAFT),
        "expiring_drafts": Count("id", filter=_IS_DRAFT & Q(expires_at__isnull=False)),
    }
    _count(people, records, counts)
    documents = _of(Document.objects.filter(_within("created_at", turn)), "uploaded_by_id", people)
    _count(people, documents.values_list("tenant_id", "uploaded_by_id"), {"documents_uploaded": Count("id")})
    comments = _of(Comment.objects.filter(_within("created_at", turn)), "author_id", people)
    _count(people, comments.values_list("tenant_id", "author_id"), {"comments_added": Count("id")})


def _count(people: dict[Who, Summary], rows: "QuerySet[Any]", counts: dict[str, Count]) -> None:
    for tenant_id, user_id, *found in rows.annotate(**counts):
        if summary := people.get(Who(tenant_id, user_id)):
            vars(summary).update(zip(counts, found, strict=True))


def _tell_invitations(people: dict[Who, Summary], readers: Sequence[Reader], now: datetime) -> None:
    """Tell how many offers wait for them, found by their address."""
    tenants = {reader.who.tenant_id for reader in readers}
    addresses = {reader.email.lower() for reader in readers if reader.email}
    waiting = Invitation.objects.filter(status=Invitation.Status.PENDING, expires_at__gt=now)
    rows = waiting.filter(tenant_id__in=tenants, email__in=addresses).order_by().values_list("tenant_id", "email")
    found = {(tenant_id, email): count for tenant_id, email, count in rows.annotate(count=Count("id"))}
    for reader in readers:
        people[reader.who].pending_invitations = found.get((reader.who.tenant_id, reader.email.lower()), 0)


def _seen(places: Places, prefix: str = "") -> Q:
    whole, parts = list(places.properties), list(places.units)
    return Q(**{f"{prefix}property_id__in": whole}) | Q(**{f"{prefix}unit_id__in": parts})


def _tell_records(people: dict[Who, Summary], places: Places, turn: Turn) -> None:
    """Tell how many records others published, by property; drafts are their authors' alone."""
    rows = Record.objects.filter(_seen(places), _within("published_at", turn), deleted_at=None).order_by()
    grouped = rows.values_list("property_id", "property__name", "unit_id", "author_id").annotate(count=Count("id"))
    counts: dict[Who, Counter[tuple[int, str]]] = defaultdict(Counter)
    for property_id, name, unit_id, author_id, count in grouped:
        for who in _others(places.readers(property_id=property_id, unit_id=unit_id), author_id):
            counts[who][property_id, name] += count
    for who, found in counts.items():
        by_count = sorted(found.items(), key=lambda item: (-item[1], item[0][1], item[0][0]))
        people[who].new_records = [(name, count) for (_number, name), count in by_count[:MAX_ITEMS]]


def _tell_comments(people: dict[Who, Summary], places: Places, turn: Turn) -> None:
    """Tell what others said, the newest first; of each author and place no more are read than one mail shows."""
    nth = Window(
        RowNumber(), partition_by=[F("record__property_id"), F("record__unit_id"), F("author_id")], order_by="-id"
    )
    said = Comment.objects.filter(_seen(places, "record__"), _within("created_at", turn), deleted_at=None)
    there = said.filter(record__deleted_at=None, record__status=Record.Status.PUBLISHED)
    newest = there.annotate(nth=nth).filter(nth__lte=MAX_ITEMS).select_related("record", "author").order_by("-id")
    for comment in newest:
        readers = places.readers(property_id=comment.record.property_id, unit_id=comment.record.unit_id)
        for who in _others(readers, comment.author_id):
            if len(people[who].new_comments) < MAX_ITEMS:
                people[who].new_comments.append((comment.record.title, _name(comment.author)))


def _tell_members(people: dict[Who, Summary], places: Places, turn: Turn) -> None:
    """Tell with whom else something was shared."""
    rows = list(_new_shares(places, turn))
    units = Unit.objects.filter(pk__in=[row.target_id for row in rows if row.target_type == TargetType.UNIT])
    by_number = {unit.pk: unit for unit in units}
    for row in rows:
        name, readers = _target(row, places, by_number)
        for who in _others(readers, row.user_id):
            if len(people[who].new_members) < MAX_ITEMS:
                people[who].new_members.append((name, _name(row.user)))


def _new_shares(places: Places, turn: Turn) -> "QuerySet[ShareMember]":
    parts = Unit.objects.filter(Q(property_id__in=list(places.properties)) | Q(pk__in=list(places.units)))
    seen = (
        Q(target_type=TargetType.PROJECT, target_id__in=list(places.projects))
        | Q(target_type=TargetType.PROPERTY, target_id__in=list(places.properties))
        | Q(target_type=TargetType.UNIT, target_id__in=parts.filter(deleted_at=None).values("pk"))
    )
    return ShareMember.objects.filter(seen, _within("created_at", turn)).select_related("user").order_by("-id")


def _target(share: ShareMember, places: Places, units: dict[int, Unit]) -> tuple[str, set[Who]]:
    """Return what is shared by its name, and who sees it."""
    if share.target_type == TargetType.UNIT:
        unit = units[share.target_id]
        return unit.name, places.readers(property_id=unit.property_id, unit_id=unit.pk)
    readers = places.projects if share.target_type == TargetType.PROJECT else places.properties
    return places.names[share.target_type, share.target_id], readers[share.target_id]


def _others(readers: Iterable[Who], user_id: int | None) -> list[Who]:
    return [who for who in readers if who.user_id != user_id]


def _name(user: User | None) -> str:
    return (user.get_full_name() or user.get_username()) if user else "–"
