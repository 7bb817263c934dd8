"""Records, where each is in its life, and its documents and comments."""

from django.contrib.admin import EmptyFieldListFilter, display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from modules.drafts.admin._looks import person, record_badge
from modules.drafts.models import Comment, Document, Record
from modules.kernel.console import ReadOnlyAdmin, ReadOnlyInline, long_moment, moment, text_block, two_lines


class DocumentInline(ReadOnlyInline):
    model = Document
    fields = ("name", "size", "storage_key", "created_at", "deleted_at")


class CommentInline(ReadOnlyInline):
    model = Comment
    fields = ("text", "author", "created_at", "deleted_at")


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
        *(("reminded", "warned", "kept_until"), ("gone", "version"), "public_id"),
    )
    readonly_fields = (
        *("condition", "writer", "content", "created_in_full", "edited_in_full", "reminded", "warned", "kept_until"),
        "gone",
    )
    inlines = (DocumentInline, CommentInline)

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
