"""Amazon SNS on loopback: a key pair with its certificate, signed messages, and the two addresses one may ask."""

import base64
import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:us-west-2:123456789012:ses-events"
CERTIFICATE = "/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
HOST = "https://sns.us-west-2.amazonaws.com"
ABOUT = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
NOTIFIED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")


def make_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make_certificate(key, *, days_ago=1, days=30):
    """Return a certificate of its own maker, in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime.now(UTC) - timedelta(days=days_ago)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(start).not_valid_after(start + timedelta(days=days))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def make_curve_certificate():
    return make_certificate(ec.generate_private_key(ec.SECP256R1()))


class Amazon:
    """What it serves, what it was asked, and how it signs."""

    def __init__(self):
        self.key = make_key()
        self.certificate = make_certificate(self.key)
        self.asked = []
        self.status = 200
        self.headers = {}
        self.body = None
        self.origin = ""

    def notification(self, message, version="2", **fields):
        """Return a signed notification; a field that is None is left out."""
        now = datetime.now(UTC)
        told = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
            **fields,
        }
        return self.sign(told, version)

    def subscription(self, version="2", *, type_="SubscriptionConfirmation", **fields):
        """Return a signed question whether we want its messages."""
        url = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
        about = {"Type": type_, "Token": "2336412f37", "SubscribeURL": url, "UnsubscribeURL": None}
        return self.notification("You have chosen to subscribe.", version, **{**about, **fields})

    def sign(self, told, version="2", key=None):
        """Return the message with a signature over what it says now."""
        told = {name: value for name, value in told.items() if value is not None}
        names = NOTIFIED if told["Type"] == "Notification" else ABOUT
        text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told).encode()
        hashed = SHA1() if version == "1" else SHA256()  # noqa: S303 -- version 1 of the signature is SHA-1
        signature = (key or self.key).sign(text, PKCS1v15(), hashed)
        usual = {"SigningCertURL": HOST + CERTIFICATE, "SignatureVersion": version}
        return {**usual, **told, "Signature": base64.b64encode(signature).decode()}

    def answer(self, path):
        """Return what is at a path."""
        if self.body is not None:
            return self.body
        return self.certificate if path == CERTIFICATE else b"<ConfirmSubscriptionResponse/>"


def open_amazon():
    """Return a running Amazon and the server to shut down."""
    amazon = Amazon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            amazon.asked.append(self.path)
            body = amazon.answer(self.path)
            self.send_response(amazon.status)
            for name, value in amazon.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    amazon.origin = f"http://127.0.0.1:{server.server_port}"
    return amazon, server
