from modules.notifications.clients._mail import (
    AnswerLost,
    Delivery,
    OutgoingMail,
    PermanentMailError,
    TemporaryMailError,
    open_mailer,
)
from modules.notifications.clients._sns import (
    SnsUnavailable,
    confirm_subscription,
    fetch_certificate,
    forget_certificates,
)

__all__ = [
    "AnswerLost",
    "Delivery",
    "OutgoingMail",
    "PermanentMailError",
    "SnsUnavailable",
    "TemporaryMailError",
    "confirm_subscription",
    "fetch_certificate",
    "forget_certificates",
    "open_mailer",
]
