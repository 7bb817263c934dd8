"""`manage.py accounts_create_operator`: the first person who can log in."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.accounts.models import User


class Command(BaseCommand):
    help = "Make a superuser with the password in BACKROOM_ADMIN_PASSWORD; one who exists stays as he is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin")
        parser.add_argument("--set-password", action="store_true", help="also for a user who exists")

    def handle(self, *_args: Any, **options: Any) -> None:
        username, password = options["username"], os.environ.get("BACKROOM_ADMIN_PASSWORD")
        if not password:
            raise CommandError(_("Set BACKROOM_ADMIN_PASSWORD."))
        user = User.objects.filter(username=username).first()
        if user is None:
            User.objects.create_superuser(username, password=password)
        elif options["set_password"] and not user.check_password(password):  # even the same would log him out
            user.set_password(password)
            user.save(update_fields=["password"])
        made = _("Operator %(name)s made.") if user is None else _("Operator %(name)s was there already.")
        self.stdout.write(made % {"name": username})
