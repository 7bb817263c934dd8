"""What every operators' screen is made of; the only code that names the admin's theme, so that it can be left."""

from modules.kernel.console._admin import ConsoleAdmin, ConsoleInline, ReadOnlyAdmin, ReadOnlyInline, chosen_queryset
from modules.kernel.console._buttons import button, note_bulk, shown_buttons
from modules.kernel.console._display import (
    Fact,
    Step,
    badge,
    code,
    crumb,
    duration,
    exact,
    first_line,
    json_block,
    long_moment,
    moment,
    money,
    muted,
    progress_bar,
    text_block,
    two_lines,
)
from modules.kernel.console._figures import Bar, Card, bars
from modules.kernel.console._paging import COUNT_CAP, CappedPaginator
from modules.kernel.console._tenants import name_tenants, of_visible_tenants, tenant_names, visible_tenant_ids
from modules.kernel.console._theme import PasswordWidget, SelectWidget, TextareaWidget, TextWidget

__all__ = [
    "COUNT_CAP",
    "Bar",
    "CappedPaginator",
    "Card",
    "ConsoleAdmin",
    "ConsoleInline",
    "Fact",
    "PasswordWidget",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "SelectWidget",
    "Step",
    "TextWidget",
    "TextareaWidget",
    "badge",
    "bars",
    "button",
    "chosen_queryset",
    "code",
    "crumb",
    "duration",
    "exact",
    "first_line",
    "json_block",
    "long_moment",
    "moment",
    "money",
    "muted",
    "name_tenants",
    "note_bulk",
    "of_visible_tenants",
    "progress_bar",
    "shown_buttons",
    "tenant_names",
    "text_block",
    "two_lines",
    "visible_tenant_ids",
]
