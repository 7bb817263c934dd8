"""A person's data as a file: asked for, made, fetched for a day, withdrawn, deleted; told of whatever became of it."""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import F
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from modules.accounts import services as account_services
from modules.drafts import selectors as draft_selectors
from modules.jobs import services as job_services
from modules.kernel.tenancy import all_tenants
from modules.notifications import selectors as notification_selectors
from modules.notifications import services as notification_services
from modules.notifications.domain import InvalidMail, Kind
from modules.notifications.services import Live
from modules.reports import clients, selectors
from modules.reports.domain import Archive, TooBig
from modules.reports.models import Export
from modules.reports.selectors import Belongings, Who
from modules.reports.services._archive import Content

log = logging.getLogger(__name__)
ACTOR = "reports.export_user_data"
SALT = "reports.export"
State, Reason = Export.State, Export.Reason
Report = Callable[[int], None]
CLEANED_AT_ONCE = 100
PRUNED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Download:
    """An export's file as somebody fetches it."""

    name: str
    size: int
    pieces: Iterator[bytes]


def request_export(*, tenant_id: int, user_id: int, now: datetime, include_photos: bool | None = None) -> Export:
    """Return a new export and send the job that makes it, or the one that is being made already."""
    with_files = settings.REPORTS["EXPORT_INCLUDE_PHOTOS"] if include_photos is None else include_photos
    export = Export(tenant_id=tenant_id, user_id=user_id, includes_photos=with_files, created_at=now)
    with transaction.atomic():
        Export.objects.bulk_create([export], ignore_conflicts=True)  # of two at once, one is the other's answer
        mine = Export.objects.filter(public_id=export.public_id).first()
        if mine:
            _send_job(mine)
            _log(mine, "requested", at=now, by_id=user_id, includesPhotos=with_files)
            return mine
    return Export.objects.filter(tenant_id=tenant_id, user_id=user_id).latest("id")


def make_export(*, export_id: int, now: datetime, report: Report) -> Export | None:
    """Write the file of an export in scope and tell its person; None when nobody waits for it any more.

    Not one transaction: the file is streamed into the storage first, then the row, the notice and the mail commit
    together. Made again after a kill, what was left is deleted. An export over the limit fails, and its person is
    told how big it is. Raises StorageFailed, and whatever `report`, told the number of entries so far, raises.
    """
    export = _begin(export_id)
    if export is None or export.user_id is None:
        return None
    who = Who(export.tenant_id, export.user_id)
    belongings = Belongings(who, until=export.created_at)
    try:
        content = _write(export, belongings, report=report)
    except TooBig as error:
        _refuse(export, error.size, now=now)
        return None
    return _finish(export, content, now=now)


def fail_exports(*, job_ids: Collection[UUID], now: datetime) -> int:
    """Note that the exports in scope which these jobs were to make will not be made, and tell their people.

    Return how many were still being made. Safe to repeat.
    """
    waiting = Export.objects.filter(job_id__in=job_ids, state=State.PENDING)
    return sum(_end(export, Reason.BROKEN, now=now) for export in waiting)


def fail_abandoned(*, now: datetime) -> int:
    """Fail the exports in scope whose job has ended without them: nobody heard of its end. Return how many."""
    return fail_exports(job_ids=selectors.jobs_of_abandoned_exports(), now=now)


def revoke_export(*, export_id: int, now: datetime, by_id: int | None) -> bool:
    """Let a ready export in scope be fetched no more, and delete its file; False when it is not ready.

    A storage that fails now leaves the file to the cleanup: nobody gets it any more.
    """
    with transaction.atomic():
        ready = Export.objects.filter(pk=export_id, state=State.READY)
        if not ready.update(state=State.REVOKED, expires_at=now):
            return False
        _log(Export.objects.get(pk=export_id), "withdrawn", at=now, by_id=by_id)
    try:
        _drop_file(Export.objects.get(pk=export_id))
    except clients.StorageFailed as error:
        log.warning("The file of export %s is left to the cleanup: %s", export_id, error)
    return True


def link_of(export: Export) -> str:
    """Return the path that fetches a ready export: good for who has it, as long as the export is."""
    return reverse("reports:download", args=[Signer(salt=SALT).sign(export.public_id.hex)])


def find_by_link(token: str, *, now: datetime) -> Export | None:
    """Return the export that a link leads to, or None: wrong, too late, withdrawn, or its person is a member no more.

    Needs no tenant in scope: the token says whose it is.
    """
    try:
        public_id = UUID(Signer(salt=SALT).unsign(token))
    except (BadSignature, ValueError):
        return None
    with all_tenants():
        ready = Export.objects.filter(public_id=public_id, state=State.READY, expires_at__gt=now)
        export = ready.filter(user__is_active=True, tenant__is_active=True).first()
    if export is None or export.user_id is None:
        return None
    is_member = notification_selectors.members(tenant_id=export.tenant_id, user_ids=[export.user_id])
    return export if is_member else None


def open_download(export: Export, *, now: datetime) -> Download:
    """Return the file of an export in scope, to be sent piece by piece. Raises ObjectGone, StorageFailed."""
    pieces = clients.read_object(export.storage_key)
    with transaction.atomic():
        Export.objects.filter(pk=export.pk).update(downloads=F("downloads") + 1)
        _log(export, "fetched", at=now, by_id=None)  # by who has the link: it takes no login
    return Download(f"export-{export.created_at:%Y-%m-%d}.zip", export.size or 0, pieces)


def clean_exports(*, now: datetime, report: Report) -> tuple[int, list[str]]:
    """Delete the files in scope that nobody may fetch any more; return how many went, and why others are left."""
    gone, failures, last_id = 0, [], 0
    while batch := list(selectors.left_exports(now=now).filter(pk__gt=last_id)[:CLEANED_AT_ONCE]):
        for export in batch:
            try:
                _drop_file(export)
                gone += 1
            except clients.StorageFailed as error:
                failures.append(f"{export.public_id}: {error}")
        last_id = batch[-1].pk
        report(len(batch))
    return gone, failures


def prune_exports(*, before: datetime) -> int:
    """Forget at most 1,000 exports in scope from before that, whose file is gone; return how many."""
    old = Export.objects.filter(created_at__lt=before, storage_key="").exclude(state=State.PENDING)
    return Export.objects.filter(pk__in=old.order_by("pk").values("pk")[:PRUNED_AT_ONCE]).delete()[0]


def _log(export: Export, what: str, *, at: datetime, by_id: int | None, **details: Any) -> None:
    """Write down what became of it, and tell its person if they are there: also one who wants no notices."""
    if export.user_id and what != "fetched":
        news = Live(export.user_id, "export", {"id": str(export.public_id), "state": what})
        notification_services.announce(tenant_id=export.tenant_id, events=[news], now=at)
    account_services.log_activity(
        verb=f"export.{what}",
        at=at,
        tenant_id=export.tenant_id,
        user_id=by_id,
        target_type="export",
        target_id=str(export.public_id),
        details=details,
    )


def _send_job(export: Export) -> None:
    export.job_id = job_services.enqueue(
        ACTOR, kwargs={"export_id": export.pk}, tenant_id=export.tenant_id, tags=[f"export:{export.public_id}"]
    )
    export.save(update_fields=["job_id"])


def _begin(export_id: int) -> Export | None:
    """Return the export with a new place for its file; one that failed is made again if none is being made.

    What an earlier start left goes before its key does: a file without a row would never be found.
    """
    open_ones = Export.objects.filter(pk=export_id, state__in=[State.PENDING, State.FAILED])
    export = open_ones.first()
    if export is None:
        return None
    if export.storage_key:
        clients.delete_object(export.storage_key)
    others = Export.objects.filter(tenant_id=export.tenant_id, user=export.user, state=State.PENDING)
    if others.exclude(pk=export.pk).exists():
        return None
    key = f"exports/{export.tenant_id}/{uuid4().hex}.zip"
    same = open_ones.filter(storage_key=export.storage_key)
    if not same.update(storage_key=key, state=State.PENDING, reason="", finished_at=None):
        return None  # another start was quicker
    return Export.objects.get(pk=export_id)


def _write(export: Export, belongings: Belongings, *, report: Report) -> Content:
    most = settings.REPORTS["EXPORT_MAX_BYTES"]
    expected = belongings.document_bytes() if export.includes_photos else 0
    if expected > most:  # refused before a byte is read
        raise TooBig(expected)
    content = Content(
        belongings,
        Archive(max_bytes=most, at=export.created_at),
        includes_photos=export.includes_photos,
        head={"exportId": export.public_id, "createdAt": export.created_at},
        report=report,
    )
    clients.save_stream(export.storage_key, content.stream())
    return content


def _finish(export: Export, content: Content, *, now: datetime) -> Export | None:
    expires_at = now + timedelta(hours=settings.REPORTS["EXPORT_HOURS"])
    with transaction.atomic():
        waiting = Export.objects.filter(
            pk=export.pk, state=State.PENDING, storage_key=export.storage_key, user__isnull=False
        )
        is_ready = waiting.update(
            state=State.READY,
            size=content.archive.size,
            entries=len(content.archive.entries),
            missing=len(content.missing),
            finished_at=now,
            expires_at=expires_at,
        )
        if is_ready:
            export.refresh_from_db()
            _log(export, "made", at=now, by_id=None, size=export.size, missing=export.missing)
            _tell_ready(export, now=now)
    if not is_ready:  # another start has taken it over, or its person has left
        clients.delete_object(export.storage_key)
        return None
    return export


def _refuse(export: Export, size: int, *, now: datetime) -> None:
    _end(export, Reason.TOO_BIG, now=now, size=size)
    log.warning("Export %s is refused: %d bytes", export.public_id, size)


def _end(export: Export, reason: str, *, now: datetime, size: int | None = None) -> bool:
    with transaction.atomic():
        waiting = Export.objects.filter(pk=export.pk, state=State.PENDING)
        if not waiting.update(state=State.FAILED, reason=reason, size=size, finished_at=now):
            return False
        _log(export, "failed", at=now, by_id=None, reason=reason)
        limit = settings.REPORTS["EXPORT_MAX_BYTES"]
        payload = {"exportId": str(export.public_id), "reason": reason, "size": size, "limit": limit}
        _tell(export, Kind.EXPORT_FAILED, payload, now=now)
        _mail(export, "export_failed", lambda: {"reason": _explained(reason, size, limit)}, key=f"{now:%Y%m%dT%H%M%S}")
    return True


def _explained(reason: str, size: int | None, limit: int) -> str:
    if reason == Reason.TOO_BIG:
        told = {"size": filesizeformat(size or 0), "limit": filesizeformat(limit)}
        return (
            _(
                "Your data have %(size)s, and an export holds %(limit)s at most. Ask for an export without files, "
                "or delete documents that you do not need."
            )
            % told
        )
    return _("Something is broken on our side. Please ask for another export tomorrow.")


def _tell_ready(export: Export, *, now: datetime) -> None:
    payload = {"exportId": str(export.public_id), "size": export.size, "missing": export.missing}
    _tell(export, Kind.EXPORT_READY, payload, now=now)
    if settings.NOTIFICATIONS["PUBLIC_URL"]:
        _mail(export, "export_ready", lambda: _ready_values(export))


def _ready_values(export: Export) -> dict[str, Any]:
    return {
        "size": filesizeformat(export.size or 0),
        "hours": settings.REPORTS["EXPORT_HOURS"],
        "download_url": settings.NOTIFICATIONS["PUBLIC_URL"] + link_of(export),
    }


def _tell(export: Export, kind: Kind, payload: dict[str, Any], *, now: datetime) -> None:
    try:
        notification_services.notify(
            tenant_id=export.tenant_id, user_id=export.user_id or 0, kind=kind, payload=payload, now=now
        )
    except notification_services.NotAMember:
        log.info("Nobody is told of export %s: its person has left", export.public_id)


def _mail(export: Export, template: str, values: Callable[[], dict[str, Any]], *, key: str = "") -> None:
    """Mail the person in their language; who has no address that works has the notice."""
    reader = draft_selectors.readers([export.user_id]).get(export.user_id or 0)
    if reader is None or not reader.email:
        return
    locale = reader.locale or notification_selectors.locale_of(None)
    try:
        with translation.override(locale):
            notification_services.send_email(
                tenant_id=export.tenant_id,
                key=f"{template}:{export.public_id}{key and ':' + key}",
                template=template,
                to=[reader.email],
                values=values(),
                user_id=reader.user_id,
                locale=locale,
            )
    except InvalidMail as error:
        log.warning("Export %s: no mail, %s", export.public_id, error)


def _drop_file(export: Export) -> None:
    """Delete the file, then note that it is gone; what was ready has expired. Raises StorageFailed."""
    clients.delete_object(export.storage_key)
    same = Export.objects.filter(pk=export.pk, storage_key=export.storage_key)
    same.filter(state=State.READY).update(state=State.EXPIRED)
    same.exclude(state=State.PENDING, user__isnull=False).update(storage_key="")
