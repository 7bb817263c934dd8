"""What the three commands that go through many rows have in common: here and now with a bar, or as jobs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.translation import gettext as _

from modules.customers import selectors
from modules.customers.services import CHUNK, QUEUE, SentBatch, chunked
from modules.kernel.bar import ProgressBar
from modules.kernel.tenancy import all_tenants, tenant_scope


@dataclass(frozen=True, slots=True)
class Part:
    """Whose rows: a tenant's, of one channel or of all (None)."""

    tenant_id: int
    channel_id: int | None = None


class ChunkedCommand(BaseCommand):
    """A command over rows in chunks; a subclass says which rows, what a chunk does, and how jobs do it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the options that all of them have."""
        parser.add_argument(
            "--queue", nargs="?", const=QUEUE, help=f"send jobs to this queue ({QUEUE} when it is not named)"
        )
        parser.add_argument("--chunk", type=int, default=CHUNK, help=f"rows per transaction (default: {CHUNK})")
        parser.add_argument("--shop", metavar="NAME|ID", help="one shop, by its name or its channel's number")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Go through the rows of each tenant, or send the jobs that do."""
        if options["chunk"] < 1:
            raise CommandError(_("--chunk is 1 or more."))
        if options["queue"] and options["dry_run"]:
            raise CommandError(_("--dry-run looks here and now; leave --queue out."))
        with all_tenants():
            parts = _parts(options["shop"])
        for part in parts:
            with tenant_scope(part.tenant_id):
                self._send(part, options) if options["queue"] else self._run(part, options)

    def rows(self, part: Part, **options: Any) -> Iterator[int]:
        """Return ids of what is to be gone through, ascending."""
        raise NotImplementedError

    def work(self, part: Part, ids: list[int]) -> dict[str, int]:
        """Go through one chunk; return what came of it, by name."""
        raise NotImplementedError

    def send(self, part: Part, options: dict[str, Any]) -> SentBatch | None:
        """Send the jobs that do the same."""
        raise NotImplementedError

    def finish(self, part: Part, total: int, **options: Any) -> None:
        """Do what comes after the last chunk; not in a dry run."""

    def _send(self, part: Part, options: dict[str, Any]) -> None:
        sent = self.send(part, options)
        if sent is None:
            self.stdout.write(_("Tenant %(tenant)s: nothing to do.") % {"tenant": part.tenant_id})
            return
        values = {"tenant": part.tenant_id, "rows": sent.rows, "jobs": sent.jobs, "batch": sent.id}
        text = _("Tenant %(tenant)s: %(rows)s rows in %(jobs)s jobs, batch %(batch)s; job_batch shows how far it is.")
        self.stdout.write(text % values)

    def _run(self, part: Part, options: dict[str, Any]) -> None:
        ids, done, found = list(self.rows(part, **options)), 0, dict[str, int]()
        bar = ProgressBar(self.stdout)
        for chunk in chunked(ids, options["chunk"]):
            with _rolled_back(really=options["dry_run"]):
                for name, count in self.work(part, chunk).items():
                    found[name] = found.get(name, 0) + count
            done += len(chunk)
            bar.draw(done, len(ids))
        bar.end()
        if not options["dry_run"]:
            self.finish(part, len(ids), **options)
        self.stdout.write(self._summary(part, len(ids), found, is_dry=options["dry_run"]))

    def _summary(self, part: Part, total: int, found: dict[str, int], *, is_dry: bool) -> str:
        text = ", ".join([_("rows: %d") % total, *(f"{name}: {count:,}" for name, count in found.items())])
        values = {"tenant": part.tenant_id, "text": text}
        if is_dry:
            return _("Tenant %(tenant)s, nothing changed; it would be %(text)s") % values
        return _("Tenant %(tenant)s, %(text)s") % values


@contextmanager
def _rolled_back(*, really: bool) -> Iterator[None]:
    """Take back what the block wrote, if `really`: the surest rehearsal is the real thing."""
    with transaction.atomic():
        yield
        if really:
            transaction.set_rollback(True)


def _parts(shop: str | None) -> Iterable[Part]:
    if shop is None:
        return [Part(tenant_id) for tenant_id in selectors.active_tenant_ids()]
    found = selectors.channels_called(shop)
    if not found:
        raise CommandError(_("There is no shop %r; use its name, or its channel's number.") % shop)
    return [Part(channel.tenant_id, channel.pk) for channel in found]
