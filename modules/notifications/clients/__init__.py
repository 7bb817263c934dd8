from modules.notifications.clients._mail import (
    AnswerLost,
    Delivery,
    OutgoingMail,
    PermanentMailError,
    TemporaryMailError,
    open_mailer,
)

__all__ = [
    "AnswerLost",
    "Delivery",
    "OutgoingMail",
    "PermanentMailError",
    "TemporaryMailError",
    "open_mailer",
]
