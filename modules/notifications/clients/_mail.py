"""The mail server, through Django's mail backends; SMTP is spoken step by step, to know what each answer was for."""

import smtplib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address

MAX_REPLY = 500  # characters of a server's answer that are kept


class TemporaryMailError(Exception):
    """The mail was not taken; another try may help."""


class PermanentMailError(Exception):
    """The mail was not taken, and never will be as it is."""


class AnswerLost(Exception):
    """The mail was handed over and no answer came: it may have been taken, or not."""


@dataclass(frozen=True)
class OutgoingMail:
    """A whole mail. `to` is what its header says, `recipients` who gets it now."""

    from_email: str
    to: Sequence[str]
    recipients: Sequence[str]
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]


@dataclass
class Delivery:
    """What became of each recipient: taken, refused for good (with the answer), or for now."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    provider_id: str = ""


class Mailer:
    """An open connection to whatever EMAIL_URL or EMAIL_BACKEND names."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def send(self, mail: OutgoingMail, *, begin: Callable[[], None]) -> Delivery:
        """Hand the mail over; raises TemporaryMailError, PermanentMailError, AnswerLost.

        `begin` is called once, right before the server may take it; what it raises ends this.
        """
        is_smtp = isinstance(self._backend, EmailBackend)
        message = _message(mail, to=mail.to if is_smtp else mail.recipients)
        if is_smtp:
            return _speak(self._backend.connection, mail, message, begin)
        begin()
        return _hand_over(self._backend, mail, message)


@contextmanager
def open_mailer() -> Iterator[Mailer]:
    """Connect, and hang up afterwards; raises TemporaryMailError. Each step has EMAIL_TIMEOUT."""
    try:
        backend = get_connection()
        backend.open()
        if isinstance(backend, EmailBackend) and backend.connection:
            backend.connection.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException) as error:
        raise TemporaryMailError(f"The mail server cannot be reached: {_told(error)}") from None
    except (ImproperlyConfigured, ImportError) as error:
        raise TemporaryMailError(f"EMAIL_BACKEND is not set up: {error}") from None
    try:
        yield Mailer(backend)
    finally:
        _close(backend)


def _close(backend: Any) -> None:
    try:
        backend.close()
    except (OSError, smtplib.SMTPException):
        return  # the mail has its answer; how the line ended changes nothing


def _message(mail: OutgoingMail, *, to: Sequence[str]) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(mail.subject, mail.text, mail.from_email, list(to), headers=dict(mail.headers))
    message.attach_alternative(mail.html, "text/html")
    return message


def _speak(
    smtp: smtplib.SMTP, mail: OutgoingMail, message: EmailMultiAlternatives, begin: Callable[[], None]
) -> Delivery:
    """Say it in SMTP. Until DATA nothing is taken, so that whatever goes wrong may be tried again."""
    content: bytes = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg] # Django's own can
    try:
        _name_sender(smtp, mail.from_email)
        delivery = _name_recipients(smtp, mail.recipients)
    except (OSError, smtplib.SMTPException) as error:
        raise TemporaryMailError(f"The mail server hung up: {_told(error)}") from None
    if delivery.accepted:
        begin()
        delivery.provider_id = _provider_id(_give_content(smtp, content))
    return delivery


def _name_sender(smtp: smtplib.SMTP, from_email: str) -> None:
    options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") else []
    code, reply = smtp.mail(sanitize_address(from_email, "utf-8"), options)
    _check(code, reply)


def _name_recipients(smtp: smtplib.SMTP, addresses: Sequence[str]) -> Delivery:
    delivery = Delivery()
    for address in addresses:
        code, reply = smtp.rcpt(sanitize_address(address, "utf-8"))
        if code in (250, 251):
            delivery.accepted.append(address)
        else:
            kept = delivery.refused if 500 <= code < 600 else delivery.deferred
            kept[address] = _reply(code, reply)
    return delivery


def _give_content(smtp: smtplib.SMTP, content: bytes) -> bytes:
    """Return what the server says of having taken it."""
    try:
        code, reply = smtp.data(content)
    except smtplib.SMTPDataError as error:
        code, reply = error.smtp_code, _as_bytes(error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        raise AnswerLost(f"The mail server did not say whether it took the mail: {_told(error)}") from None
    _check(code, reply)
    return reply


def _check(code: int, reply: bytes) -> None:
    if 200 <= code < 300:
        return
    error = PermanentMailError if 500 <= code < 600 else TemporaryMailError
    raise error(f"The mail server said: {_reply(code, reply)}")


def _hand_over(backend: Any, mail: OutgoingMail, message: EmailMultiAlternatives) -> Delivery:
    """Send by a backend that is one call; those of django-anymail tell a provider's answers."""
    try:
        backend.send_messages([message])
    except Exception as error:  # noqa: BLE001 -- each provider's library has errors of its own
        if not (told := _answers(message, mail.recipients)).refused:
            _raise_as_ours(error)
        return told
    return _answers(message, mail.recipients)


def _answers(message: EmailMultiAlternatives, recipients: Sequence[str]) -> Delivery:
    status = getattr(message, "anymail_status", None)
    told = getattr(status, "recipients", None) or {}
    words = {address: str(getattr(told.get(address), "status", None) or "") for address in recipients}
    refused = {address: word for address, word in words.items() if word in {"rejected", "invalid", "failed"}}
    accepted = [address for address in recipients if address not in refused]
    return Delivery(accepted, refused, provider_id=str(getattr(status, "message_id", None) or "")[:200])


def _raise_as_ours(error: Exception) -> None:
    status = getattr(error, "status_code", None)
    if isinstance(error, ImproperlyConfigured) or _is_unusable(error):
        raise PermanentMailError(f"The mail cannot be given to the provider: {_told(error)}") from None
    if isinstance(status, int) and status >= 300:
        is_passing = status >= 500 or status in (408, 425, 429)
        raise (TemporaryMailError if is_passing else PermanentMailError)(f"The provider answered {status}.") from None
    if any(_is_no_connection(each) for each in _causes(error)):
        raise TemporaryMailError(f"The provider cannot be reached: {_told(error)}") from None
    raise AnswerLost(f"The provider did not say whether it took the mail: {_told(error)}") from None


def _is_unusable(error: Exception) -> bool:
    """Return whether django-anymail refused the mail before it sent anything."""
    return isinstance(error, ValueError | TypeError) and type(error).__module__.startswith("anymail.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_no_connection(error: BaseException) -> bool:
    """Return whether the error says that nothing was sent; the names are those of urllib3 and requests."""
    names = {"NewConnectionError", "NameResolutionError", "ConnectTimeout", "ConnectTimeoutError"}
    return isinstance(error, ConnectionRefusedError | socket.gaierror) or type(error).__name__ in names


def _provider_id(reply: bytes) -> str:
    """Return the number that SES answers with ("Ok 0100018f-…"); of other servers the last word is a queue's number."""
    words = reply.decode("utf-8", "replace").split()
    return words[-1][:200] if words and words[0].lower() == "ok" and len(words) > 1 else ""


def _reply(code: int, reply: bytes) -> str:
    return f"{code} {_as_bytes(reply).decode('utf-8', 'replace')}".replace("\0", "")[:MAX_REPLY]


def _as_bytes(reply: bytes | str) -> bytes:
    return reply.encode() if isinstance(reply, str) else reply


def _told(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, _as_bytes(error.smtp_error))
    return type(error).__name__
