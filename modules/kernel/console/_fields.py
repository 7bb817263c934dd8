"""Fields that the theme has not."""

from typing import Any

from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from modules.kernel.console._theme import SelectWidget


class LongSelectWidget(SelectWidget):
    """A choice among hundreds without groups: the theme renders a template for each, half a second for all."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the theme's select with its options written at once."""
        chosen = {str(one) for one in self.format_value(value)}
        options = ((key, " selected" if str(key) in chosen else "", label) for key, label in self.choices)
        given = self.build_attrs(self.attrs, {**(attrs or {}), "name": name})
        return format_html(
            '<div class="grow relative max-w-2xl"><select{}>{}</select>'
            '<span class="material-symbols-outlined absolute pointer-events-none mr-[12px] right-0 text-base-400'
            ' top-1/2 -translate-y-1/2 dark:text-base-500" aria-hidden="true">expand_more</span></div>',
            flatatt(given),
            format_html_join("", '<option value="{}"{}>{}</option>', options),
        )
