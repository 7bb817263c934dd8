"""Records, where each is in its life, and its documents and comments."""

from django.contrib.admin import EmptyFieldListFilter, display, register
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.drafts import selectors
from modules.drafts.admin._looks import person, record_badge
from modules.drafts.models import Record
from modules.kernel.console import ReadOnlyAdmin, code, first_line, long_moment, moment, table, text_block, two_lines

LISTED = 50  # documents and comments on a record's page


@register(Record)
class RecordAdmin(ReadOnlyAdmin):
    list_display = ("record", "condition", "writer", "created", "edited", "kept_until")
    list_display_links = ("record",)
    list_filter = ("status", ("warned_at", EmptyFieldListFilter), ("deleted_at", EmptyFieldListFilter))
    list_select_related = ("property", "author")
    search_fields = ("title", "=property__name", "=author__email")
    search_help_text = gettext_lazy("title, whole name of the property, or whole e-mail of the author")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        *(("title", "condition"), ("property", "unit", "writer"), "content", ("created_in_full", "edited_in_full")),
        *(("reminded", "warned", "kept_until"), ("gone", "version"), "public_id", "documents", "comments"),
    )
    readonly_fields = (
        *("condition", "writer", "content", "created_in_full", "edited_in_full", "reminded", "warned", "kept_until"),
        *("gone", "documents", "comments"),
    )

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: people change their diary themselves."""
        return False

    @display(description=gettext_lazy("record"))
    def record(self, row: Record) -> str:
        """Show its title and what it is about."""
        return two_lines(format_html("<b>{}</b>", row.title), row.property)

    @display(description=gettext_lazy("state"))
    def condition(self, row: Record) -> str:
        """Show where it is in its life."""
        return record_badge(row)

    @display(description=gettext_lazy("author"))
    def writer(self, row: Record) -> str:
        """Show who wrote it."""
        return person(row.author)

    @display(description=gettext_lazy("created"))
    def created(self, row: Record) -> str:
        """Show when it was made."""
        return moment(row.created_at)

    @display(description=gettext_lazy("edited"))
    def edited(self, row: Record) -> str:
        """Show when it was changed."""
        return moment(row.edited_at)

    @display(description=gettext_lazy("not deleted before"))
    def kept_until(self, row: Record) -> str:
        """Show what its author was promised."""
        return moment(row.expires_at)

    @display(description=gettext_lazy("text"))
    def content(self, row: Record) -> str:
        """Show what is written there."""
        return text_block(row.body)

    @display(description=gettext_lazy("created"))
    def created_in_full(self, row: Record) -> str:
        """Show when it was made."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("edited"))
    def edited_in_full(self, row: Record) -> str:
        """Show when it was changed."""
        return long_moment(row.edited_at)

    @display(description=gettext_lazy("reminded"))
    def reminded(self, row: Record) -> str:
        """Show when its author was reminded."""
        return long_moment(row.reminded_at)

    @display(description=gettext_lazy("warned"))
    def warned(self, row: Record) -> str:
        """Show when its author was warned."""
        return long_moment(row.warned_at)

    @display(description=gettext_lazy("deleted"))
    def gone(self, row: Record) -> str:
        """Show since when it is gone."""
        return long_moment(row.deleted_at)

    @display(description=gettext_lazy("documents"))
    def documents(self, row: Record) -> str:
        """Show the newest ones, and where they are in the storage."""
        return table(
            [_("name"), _("size"), _("key in the storage"), _("uploaded"), _("deleted")],
            [
                [
                    document.name,
                    filesizeformat(document.size),
                    code(document.storage_key),
                    moment(document.created_at),
                    moment(document.deleted_at),
                ]
                for document in selectors.newest_documents(row, limit=LISTED)
            ],
        )

    @display(description=gettext_lazy("comments"))
    def comments(self, row: Record) -> str:
        """Show the newest ones."""
        return table(
            [_("text"), _("author"), _("created"), _("deleted")],
            [
                [
                    first_line(comment.text),
                    comment.author or "–",
                    moment(comment.created_at),
                    moment(comment.deleted_at),
                ]
                for comment in selectors.newest_comments(row, limit=LISTED)
            ],
        )
