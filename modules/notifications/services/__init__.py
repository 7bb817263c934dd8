from modules.notifications.services._delivery import MailGone, confirm_sent, deliver
from modules.notifications.services._mails import message_id, send_again, send_email
from modules.notifications.services._notices import (
    NoSuchWay,
    NotAMember,
    Notice,
    mark_all_read,
    mark_read,
    notify,
    notify_many,
    set_preferences,
)
from modules.notifications.services._render import RenderedMail, render
from modules.notifications.services._way_out import WayOut, read_way_out

__all__ = [
    "MailGone",
    "NoSuchWay",
    "NotAMember",
    "Notice",
    "RenderedMail",
    "WayOut",
    "confirm_sent",
    "deliver",
    "mark_all_read",
    "mark_read",
    "message_id",
    "notify",
    "notify_many",
    "read_way_out",
    "render",
    "send_again",
    "send_email",
    "set_preferences",
]
