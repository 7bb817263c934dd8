"""What Amazon SNS sends, and whether it is really Amazon's: signature versions 1 and 2.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"
UNSUBSCRIPTION = "UnsubscribeConfirmation"

_ABOUT = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: _ABOUT,
    UNSUBSCRIPTION: _ABOUT,
}
"""What is signed of each type, in this order; Subject only where there is one."""

HASHES = {"1": SHA1, "2": SHA256}
OLDEST = timedelta(days=30)  # who repeats an older one comes when its number may be forgotten
NEWEST = timedelta(hours=1)  # as far as clocks may differ

_HOST = r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
_SUBSCRIBE = re.compile(_HOST + r"/\?[!-~]{1,4000}")


class UnreadableMessage(ValueError):
    """The body is no message of SNS, whoever sent it."""


class ForgedMessage(ValueError):
    """The message is not what its signature is of, or not from whom we listen to."""


@dataclass(frozen=True)
class SnsEnvelope:
    """A message as it came; nothing in it is true before `check_signature`."""

    fields: dict[str, str]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the message that a body holds; raises UnreadableMessage."""
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise UnreadableMessage("The body is no JSON.") from None
        if not isinstance(found, dict) or str(found.get("Type")) not in SIGNED:
            raise UnreadableMessage("The body has no Type of SNS; switch raw message delivery off.")
        texts = {name: value for name, value in found.items() if value is not None}
        if wrong := [name for name, value in texts.items() if name in _NAMES and not isinstance(value, str)]:
            raise UnreadableMessage(f"{wrong[0]} is to be a text.")
        needed = {*SIGNED[texts["Type"]], "Signature", "SignatureVersion", "SigningCertURL"} - {"Subject"}
        if missing := sorted(needed - set(texts)):
            raise UnreadableMessage(f"{missing[0]} is missing.")
        return cls({name: value for name, value in texts.items() if name in _NAMES})

    @property
    def type(self) -> str:
        """Return which of the three types it is."""
        return self.fields["Type"]

    @property
    def message_id(self) -> str:
        """Return its number, the same each time that it is sent."""
        return self.fields["MessageId"]

    @property
    def topic_arn(self) -> str:
        """Return whose topic it is of."""
        return self.fields["TopicArn"]

    @property
    def certificate_url(self) -> str:
        """Return where the certificate is; raises ForgedMessage unless that is Amazon's own place for it."""
        url = self.fields["SigningCertURL"]
        if not _CERTIFICATE.fullmatch(url):
            raise ForgedMessage("The certificate is not at Amazon's.")
        return url

    @property
    def subscribe_url(self) -> str:
        """Return what confirms the subscription; raises ForgedMessage unless it does that and nothing else."""
        url = self.fields.get("SubscribeURL", "")
        if not _SUBSCRIBE.fullmatch(url):
            raise ForgedMessage("The confirmation does not lead to Amazon.")
        asked = parse_qs(urlsplit(url).query)
        wanted = {"Action": ["ConfirmSubscription"], "TopicArn": [self.topic_arn], "Token": [self.fields["Token"]]}
        if asked != wanted:
            raise ForgedMessage("The confirmation asks for something else.")
        return url

    def check_age(self, now: datetime) -> None:
        """Raise ForgedMessage for a message that is older than the memory of those that came."""
        try:
            sent_at = datetime.fromisoformat(self.fields["Timestamp"])
        except ValueError:
            raise ForgedMessage("The time cannot be read.") from None
        sent_at = sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)
        if not now - OLDEST < sent_at < now + NEWEST:
            raise ForgedMessage("The message is not of these days.")

    def check_signature(self, certificate: bytes, *, now: datetime) -> None:
        """Raise ForgedMessage unless the key of this certificate (PEM) signed the message, and may do so now."""
        algorithm = HASHES.get(self.fields["SignatureVersion"])
        if algorithm is None:
            raise ForgedMessage("The version of the signature is not known.")
        try:
            signature = base64.b64decode(self.fields["Signature"], validate=True)
            _key(certificate, now=now).verify(signature, self.signed_text(), PKCS1v15(), algorithm())
        except ForgedMessage:
            raise
        except (InvalidSignature, binascii.Error, ValueError):
            raise ForgedMessage("The signature does not fit.") from None

    def signed_text(self) -> bytes:
        """Return what the signature is of: a line for each name and each value, the last one ended, too."""
        names = [name for name in SIGNED[self.type] if name in self.fields]
        return "".join(f"{name}\n{self.fields[name]}\n" for name in names).encode("utf-8", "surrogatepass")


_NAMES = {*SIGNED[NOTIFICATION], *_ABOUT, "Signature", "SignatureVersion", "SigningCertURL"}


def _key(certificate: bytes, *, now: datetime) -> RSAPublicKey:
    found = x509.load_pem_x509_certificate(certificate)
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise ForgedMessage("The certificate is not valid now.")
    key = found.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ForgedMessage("The certificate has no key of RSA.")
    return key
