"""Words of the theme that our pages show: it ships no translations, so our catalogs carry them."""

from django.utils.translation import gettext_noop as _

TEXTS = (
    _("Select record"),
    _("Select action"),
    _("Select action to run"),
    _("Select all rows"),
    _("Select value"),
    _("Run"),
    _("Filters"),
    _("Reset filters"),
    _("Expand row"),
    _("Type to search"),
    _("No results found"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("No results matching your query"),
    _("Add new item"),
    _("Add row"),
    _("Collapse"),
    _("Go back"),
    _("More actions"),
    _("General"),
    _("Light"),
    _("Dark"),
    _("System"),
    _("True"),
    _("False"),
    _("Welcome back to"),
    _("Forgotten your password or username?"),
    _("Return to site"),
    _("Toggle password visibility"),
    _("You have been successfully logged out from the administration"),
    _("Record picture"),
    _("Previous"),
    _("Next"),
    _("After you've created a user, you’ll be able to edit more user options."),  # noqa: RUF001 -- as the theme writes it
    _(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you can change "  # noqa: RUF001
        'the password using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
)
