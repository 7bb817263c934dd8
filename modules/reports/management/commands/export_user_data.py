"""`manage.py export_user_data`: ask for an export in somebody's name; its link goes to that person alone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.kernel.tenancy import tenant_scope
from modules.reports import selectors, services


class Command(BaseCommand):
    help = "Send the job that makes an export of a member's data; the link is mailed to them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's name")
        parser.add_argument("username", help="whose data")
        parser.add_argument("--without-photos", action="store_true", help="what is known of documents, not their files")

    def handle(self, *_args: Any, **options: Any) -> None:
        who = selectors.find_member(tenant=options["tenant"], username=options["username"])
        if who is None:
            raise CommandError(_("There is no such member of a tenant of this name."))
        with tenant_scope(who.tenant_id):
            export = services.request_export(
                tenant_id=who.tenant_id,
                user_id=who.user_id,
                include_photos=False if options["without_photos"] else None,
                now=clock.now(),
            )
        self.stdout.write(_("Job %s") % export.job_id)
