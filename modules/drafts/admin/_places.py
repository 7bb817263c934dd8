"""Projects and properties, and what belongs to them."""

from django.contrib.admin import EmptyFieldListFilter, display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from modules.drafts.admin._looks import person
from modules.drafts.models import Contact, Project, Property, Unit
from modules.kernel.console import ReadOnlyAdmin, ReadOnlyInline, long_moment, moment, two_lines


class PropertyInline(ReadOnlyInline):
    model = Property
    fields = ("name", "address", "created_at", "deleted_at")
    show_change_link = True


class UnitInline(ReadOnlyInline):
    model = Unit
    fields = ("name", "created_at", "deleted_at")


class ContactInline(ReadOnlyInline):
    model = Contact
    fields = ("name", "purpose", "email", "phone", "deleted_at")


@register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ("project", "keeper", "created", "gone")
    list_display_links = ("project",)
    list_filter = (("deleted_at", EmptyFieldListFilter),)
    list_select_related = ("owner",)
    search_fields = ("name", "=owner__email")
    search_help_text = gettext_lazy("name, or whole e-mail of the owner")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("name", "keeper"), ("created_in_full", "gone_in_full"), "public_id")
    readonly_fields = ("keeper", "created_in_full", "gone_in_full")
    inlines = (PropertyInline,)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: people change their diary themselves."""
        return False

    @display(description=gettext_lazy("project"))
    def project(self, row: Project) -> str:
        """Show its name."""
        return format_html("<b>{}</b>", row.name)

    @display(description=gettext_lazy("owner"))
    def keeper(self, row: Project) -> str:
        """Show whose it is."""
        return person(row.owner)

    @display(description=gettext_lazy("created"))
    def created(self, row: Project) -> str:
        """Show since when it is there."""
        return moment(row.created_at)

    @display(description=gettext_lazy("deleted"))
    def gone(self, row: Project) -> str:
        """Show since when it is not."""
        return moment(row.deleted_at)

    @display(description=gettext_lazy("created"))
    def created_in_full(self, row: Project) -> str:
        """Show since when it is there."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("deleted"))
    def gone_in_full(self, row: Project) -> str:
        """Show since when it is not."""
        return long_moment(row.deleted_at)


@register(Property)
class PropertyAdmin(ReadOnlyAdmin):
    list_display = ("place", "project", "created", "gone")
    list_display_links = ("place",)
    list_filter = (("deleted_at", EmptyFieldListFilter),)
    list_select_related = ("project",)
    search_fields = ("name", "address")
    search_help_text = gettext_lazy("name or address")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("name", "project"), "address", ("created_in_full", "gone_in_full"), "public_id")
    readonly_fields = ("created_in_full", "gone_in_full")
    inlines = (UnitInline, ContactInline)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: people change their diary themselves."""
        return False

    @display(description=gettext_lazy("property"))
    def place(self, row: Property) -> str:
        """Show its name and where it is."""
        return two_lines(format_html("<b>{}</b>", row.name), row.address)

    @display(description=gettext_lazy("created"))
    def created(self, row: Property) -> str:
        """Show since when it is there."""
        return moment(row.created_at)

    @display(description=gettext_lazy("deleted"))
    def gone(self, row: Property) -> str:
        """Show since when it is not."""
        return moment(row.deleted_at)

    @display(description=gettext_lazy("created"))
    def created_in_full(self, row: Property) -> str:
        """Show since when it is there."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("deleted"))
    def gone_in_full(self, row: Property) -> str:
        """Show since when it is not."""
        return long_moment(row.deleted_at)
