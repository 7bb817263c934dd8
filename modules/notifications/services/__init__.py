from modules.notifications.services._cleanup import clean_up
from modules.notifications.services._delivery import MailGone, confirm_sent, deliver
from modules.notifications.services._events import process_sns, prune_sns, receive_sns
from modules.notifications.services._live import Live, announce, announce_to_members, prune_live
from modules.notifications.services._mails import Mail, message_id, send_again, send_email, send_emails
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
from modules.notifications.services._suppressions import lift_suppression, restore_suppression
from modules.notifications.services._way_out import WayOut, read_way_out

__all__ = [
    "Live",
    "Mail",
    "MailGone",
    "NoSuchWay",
    "NotAMember",
    "Notice",
    "RenderedMail",
    "WayOut",
    "announce",
    "announce_to_members",
    "clean_up",
    "confirm_sent",
    "deliver",
    "lift_suppression",
    "mark_all_read",
    "mark_read",
    "message_id",
    "notify",
    "notify_many",
    "process_sns",
    "prune_live",
    "prune_sns",
    "read_way_out",
    "receive_sns",
    "render",
    "restore_suppression",
    "send_again",
    "send_email",
    "send_emails",
    "set_preferences",
]
