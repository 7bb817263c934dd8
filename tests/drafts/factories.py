"""Rows of a diary with boring defaults; a test states every value that it depends on."""

import io
from datetime import timedelta
from uuid import uuid4

from modules.accounts.models import Membership, User
from modules.drafts import services
from modules.drafts.models import Invitation, Project, Property, Record, SyncItem
from modules.kernel import clock

DAY = timedelta(days=1)


def make_member(tenant, username, **fields):
    user = User.objects.create_user(username, f"{username}@example.com", **fields)
    Membership.objects.create(user=user, tenant=tenant)
    return user


def make_property(tenant, *, owner=None, name="Chalupa", project="Rodina"):
    now = clock.now()
    family = Project.objects.create(tenant=tenant, name=project, owner=owner, created_at=now)
    return Property.objects.create(tenant=tenant, project=family, name=name, created_at=now)


def make_draft(place, author, *, age=timedelta(0), **fields):
    created_at = fields.pop("created_at", None) or clock.now() - age
    boring = {"title": "Revize komínu", "created_at": created_at, "edited_at": created_at}
    return Record.objects.create(tenant_id=place.tenant_id, property=place, author=author, **{**boring, **fields})


def make_stale(place, author, *, age=40 * DAY, **fields):
    """Return a draft that was warned of, and whose promised day is over."""
    now = clock.now()
    return make_draft(place, author, age=age, warned_at=now - 8 * DAY, expires_at=now - DAY, **fields)


def attach(record, content=b"photo"):
    return services.attach_document(record_id=record.pk, name="a.jpg", content=io.BytesIO(content), now=clock.now())


def make_invitation(place, inviter, *, expires_in=-DAY, **fields):
    now = clock.now()
    boring = {
        "email": f"{uuid4()}@example.com",
        "target_type": "property",
        "target_id": place.pk,
        "target_name": place.name,
        "token_digest": uuid4().hex * 2,
        "created_at": now - 10 * DAY,
        "expires_at": now + expires_in,
    }
    return Invitation.objects.create(tenant_id=place.tenant_id, created_by=inviter, **{**boring, **fields})


def make_sync_item(tenant, user, operation, payload, **fields):
    now = clock.now()
    boring = {"client_id": uuid4(), "next_retry_at": now, "created_at": now}
    return SyncItem.objects.create(
        tenant=tenant, user=user, operation=operation, payload=payload, **{**boring, **fields}
    )
