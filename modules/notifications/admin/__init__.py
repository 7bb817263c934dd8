"""Operators' screens: what was mailed and to whom, what people were told, who is mailed no more."""

from modules.notifications.admin._home import home
from modules.notifications.admin._mails import EmailMessageAdmin
from modules.notifications.admin._notices import NotificationAdmin
from modules.notifications.admin._suppressions import SuppressionAdmin

__all__ = ["EmailMessageAdmin", "NotificationAdmin", "SuppressionAdmin", "home"]
