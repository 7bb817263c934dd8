"""A mail enters the ledger: checked and rendered first, once for each key, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from modules.jobs import services as job_services
from modules.jobs.services import JobRequest
from modules.kernel.secrets import encrypt
from modules.notifications import selectors
from modules.notifications.domain import MAX_RECIPIENTS, InvalidMail, check_line, get_mail
from modules.notifications.models import EmailMessage, Recipient
from modules.notifications.services._render import RenderedMail, render
from modules.notifications.services._way_out import WayOut

State = EmailMessage.State
MAX_KEY = 300
STORED_AT_ONCE = 100  # their texts are one statement


@dataclass(frozen=True)
class Mail:
    """A mail to be sent; see `send_email`."""

    key: str
    template: str
    to: Sequence[str]
    values: Mapping[str, Any]
    user_id: int | None = None
    locale: str = ""


def send_email(
    *,
    tenant_id: int,
    key: str,
    template: str,
    to: Sequence[str],
    values: Mapping[str, Any],
    user_id: int | None = None,
    locale: str = "",
) -> EmailMessage:
    """Store a mail and send the job that mails it; return it, or the one that this `key` of the tenant has already.

    Transactional: no commit, no mail. `values` has the shape of the template's sample; `to` is bare addresses;
    `locale` is the user's own unless given. Raises InvalidMail, which names the field, and then nothing is stored.
    """
    refused = send_emails(tenant_id=tenant_id, mails=[Mail(key, template, to, values, user_id, locale)])
    if refused:
        raise refused[key]
    return EmailMessage.objects.get(tenant_id=tenant_id, key=key)


def send_emails(*, tenant_id: int, mails: Sequence[Mail]) -> dict[str, InvalidMail]:
    """Store many mails of a tenant and send a job for each; return by key what is wrong with those left out.

    Transactional and safe to repeat, as `send_email` is: a key that is taken adds nothing, and of two mails with one
    key the first counts. The same few statements for each hundred.
    """
    locales = selectors.locales_of({mail.user_id for mail in mails if mail.user_id and not mail.locale})
    rows: dict[str, tuple[EmailMessage, list[str]]] = {}
    refused: dict[str, InvalidMail] = {}
    for mail in mails:
        try:
            rows.setdefault(mail.key, _row(tenant_id, mail, mail.locale or locales[mail.user_id]))
        except InvalidMail as error:
            refused[mail.key] = error
    checked = list(rows.values())
    for start in range(0, len(checked), STORED_AT_ONCE):
        _store(tenant_id, checked[start : start + STORED_AT_ONCE])
    return refused


def _row(tenant_id: int, mail: Mail, locale: str) -> tuple[EmailMessage, list[str]]:
    """Return the row of a mail and its addresses; raises InvalidMail."""
    addresses = _checked_addresses(mail.to)
    _check_key(mail.key)
    way_out = _way_out(tenant_id, mail.template, mail.user_id)
    url = way_out.url if way_out else ""
    rendered = render(template=mail.template, locale=locale, values=mail.values, unsubscribe_url=url)
    row = EmailMessage(
        tenant_id=tenant_id,
        key=mail.key,
        user_id=mail.user_id,
        template=mail.template,
        locale=locale,
        from_email=settings.DEFAULT_FROM_EMAIL,
        headers=_list_headers(url),
        **_content(rendered),
    )
    return row, addresses


@transaction.atomic
def _store(tenant_id: int, rows: Sequence[tuple[EmailMessage, list[str]]]) -> None:
    EmailMessage.objects.bulk_create([row for row, _ in rows], ignore_conflicts=True)
    addresses = {row.public_id: to for row, to in rows}
    new = list(EmailMessage.objects.filter(public_id__in=addresses).order_by("id"))  # the others' keys were taken
    Recipient.objects.bulk_create(
        Recipient(tenant_id=tenant_id, mail=mail, address=address)
        for mail in new
        for address in addresses[mail.public_id]
    )
    request_sending(new)


def request_sending(mails: Sequence[EmailMessage]) -> None:
    """Send the jobs that mail them; there is one at most for each."""
    job_services.enqueue_many(
        [
            JobRequest(
                actor="notifications.send_email",
                kwargs={"mail_id": mail.pk},
                tenant_id=mail.tenant_id,
                unique_key=f"notifications.send_email:{mail.pk}",
                tags=[f"mail:{mail.template}"],
            )
            for mail in mails
        ]
    )


def send_again(*, mail_id: int) -> bool:
    """Try a mail that failed, or may not have gone out, once more; return False when it is neither.

    Who has it already does not get it again; the others may, where the server's answer was lost: the Message-ID is
    the same.
    """
    with transaction.atomic():
        mail = EmailMessage.objects.select_for_update().get(pk=mail_id)
        if mail.state not in {State.FAILED, State.UNCERTAIN}:
            return False
        EmailMessage.objects.filter(pk=mail_id).update(state=State.QUEUED, error="", finished_at=None)
        refused = Recipient.objects.filter(mail=mail, state=Recipient.State.REFUSED)
        refused.update(state=Recipient.State.PENDING, detail="")
        request_sending([mail])
    return True


def message_id(mail: EmailMessage) -> str:
    """Return the Message-ID header: the same at every try, so that a reader's program knows a copy."""
    domain = parseaddr(mail.from_email)[1].rpartition("@")[2] or "localhost"
    return f"<{mail.public_id}@{domain}>"


def _content(rendered: RenderedMail) -> dict[str, str]:
    return {
        "subject": rendered.subject,
        "text_encrypted": encrypt(rendered.text),
        "html_encrypted": encrypt(rendered.html),
    }


def _checked_addresses(to: Sequence[str]) -> list[str]:
    if isinstance(to, str) or not 1 <= len(to) <= MAX_RECIPIENTS:
        raise InvalidMail("to", f"is to be a list of 1 to {MAX_RECIPIENTS} addresses.")
    for number, address in enumerate(to):
        check_line(f"to.{number}", address)
        try:
            validate_email(address)
        except ValidationError:
            raise InvalidMail(f"to.{number}", "is no e-mail address.") from None
    return list({address.lower(): address for address in to}.values())


def _check_key(key: str) -> None:
    check_line("key", key)
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidMail("key", f"is to have 1 to {MAX_KEY} characters.")


def _way_out(tenant_id: int, template: str, user_id: int | None) -> WayOut | None:
    kind = get_mail(template).kind
    if kind is None:
        return None
    if user_id is None:
        raise InvalidMail("user_id", "is needed: this mail obeys its reader's preferences.")
    return WayOut(tenant_id, user_id, kind)


def _list_headers(url: str) -> dict[str, str]:
    """Return the headers of RFC 8058; the token is no secret: it stops a mail and can do nothing else."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if url else {}
