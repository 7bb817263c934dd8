"""The base of every screen: lists that stay fast, 404 for what is not yours, buttons that are POSTs."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from modules.kernel.console._buttons import press, shown_buttons
from modules.kernel.console._facts import added_facts
from modules.kernel.console._paging import CappedPaginator
from modules.kernel.console._theme import BaseAdmin, BaseChangeList, BaseInline

if TYPE_CHECKING:
    from modules.kernel.console._buttons import HasButtons


C = TypeVar("C", bound=Callable[..., Any])


class ConsoleChangeList(BaseChangeList):
    """A list that asks its ModelAdmin to fill in the rows of the page, in one query for all of them."""

    model_admin: "ConsoleAdmin"

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page."""
        super().get_results(request)
        self.full_result_count = self.result_count  # or the theme writes "Show all" beside each title
        self.result_list: Any = list(self.result_list)
        self.model_admin.fill_in(request, self.result_list)
        self.summary = self.model_admin.summary(request, self.queryset)


class ConsoleAdmin(BaseAdmin):
    """A ModelAdmin with the console's manners. `buttons` names the methods made with `@button`."""

    buttons: tuple[str, ...] = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # a facet is a COUNT for each choice
    list_per_page = 25  # the theme renders a row in some 3 ms
    list_max_show_all = 0
    list_fullwidth = True
    list_disable_select_all = True  # "all" must mean all that match, and say how many: see console/matching.html
    compressed_fields = False  # three labels and values in a row would run into each other
    warn_unsaved_form = True
    change_form_template = "console/change_form.html"

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Add to the rows of one list page what a query for each would be too much for."""

    def summary(self, request: HttpRequest, rows: "QuerySet[Any]") -> Any:
        """Return what the list's own template shows above all its pages (`cl.summary`)."""
        return None

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether the reader may press buttons: whoever may change such rows."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[BaseChangeList]:
        """Use the list that fills in its rows."""
        return ConsoleChangeList

    def get_urls(self) -> list[URLPattern]:
        """Give each button its own address, before the catch-all of the stock admin."""
        place = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [path(f"<path:object_id>/{name}/", self._view(name), name=f"{place}_{name}") for name in self.buttons]
        return [*own, *super().get_urls()]

    def _view(self, name: str) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponseBase:
            admin: HasButtons = self
            return press(admin, request, unquote(object_id), name)

        return self.admin_site.admin_view(view)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Show the buttons beside the title."""
        if row := kwargs.get("obj"):
            context["buttons"] = shown_buttons(self, request, row, self.buttons)
            context["added_facts"] = added_facts(row)
            context["above"] = self.above(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def above(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page's own template shows above the form."""
        return {}

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, *_args: Any) -> Any:
        # The stock answer is a redirect with a message that names the id; a foreign row is simply not there.
        raise Http404


class ReadOnlyAdmin(ConsoleAdmin):
    """A screen for looking: rows are written by jobs and services only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse; buttons ask `has_act_permission` instead."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader may look; whoever may act may look."""
        return super().has_view_permission(request, obj) or self.has_act_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the screen is listed for the reader."""
        return self.has_view_permission(request)


class ConsoleInline(BaseInline):
    """Rows inside another row's page."""

    extra = 0


class ReadOnlyInline(ConsoleInline):
    """Rows inside another row's page, for looking."""

    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow whoever sees the page around it."""
        return True


def asked_once(cell: C) -> C:
    """Keep what a cell of a row's page says: the theme asks five times for each, and some ask the database."""

    @wraps(cell)
    def remembered(self: Any, row: Any) -> Any:
        cells = row.__dict__.setdefault("_cells", {})
        if cell.__name__ not in cells:
            cells[cell.__name__] = cell(self, row)
        return cells[cell.__name__]

    return cast("C", remembered)


def chosen_queryset(admin: ConsoleAdmin, request: HttpRequest) -> "QuerySet[Any]":
    """Return every row that the list's address matches, all pages of it; raises BadRequest for a wrong filter."""
    try:
        return admin.get_changelist_instance(request).get_queryset(request)
    except IncorrectLookupParameters as error:
        raise BadRequest("This filter cannot be understood.") from error


__all__: Sequence[str] = (
    "ConsoleAdmin",
    "ConsoleInline",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "asked_once",
    "chosen_queryset",
)
