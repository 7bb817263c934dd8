"""People's logins over the API; superusers end them, because a login opens all of a person's tenants."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import EmptyFieldListFilter, display, register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.accounts import services
from modules.accounts.admin._access import in_scope
from modules.accounts.models import Login, RefreshToken
from modules.kernel import clock
from modules.kernel.console import ReadOnlyAdmin, ReadOnlyInline, badge, button, long_moment, moment, two_lines

SHOWN = 50


class RefreshTokenInline(ReadOnlyInline):
    """The newest tokens of a login, without their secrets."""

    model = RefreshToken
    fields = ("prefix", "created_at", "expires_at", "revoked_at")
    readonly_fields = fields
    ordering = ("-id",)
    max_num = SHOWN

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return those of the page's login, the newest first, so many at most."""
        found = super().get_queryset(request)
        match = request.resolver_match
        login_id = match.kwargs.get("object_id") if match else None
        newest = RefreshToken.objects.filter(login_id=login_id or 0).order_by("-id").values("pk")[:SHOWN]
        return found.filter(pk__in=newest)


@register(Login)
class LoginAdmin(ReadOnlyAdmin):
    list_display = ("person", "condition", "agent", "opened", "refreshed", "expires")
    list_display_links = ("person",)
    list_filter = ("ending", ("revoked_at", EmptyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("=user__username", "=user__email")
    search_help_text = gettext_lazy("whole user name or e-mail")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("end",)
    inlines = (RefreshTokenInline,)
    fields = (("person", "condition"), "agent", ("opened_in_full", "refreshed_in_full", "expires_in_full"))
    readonly_fields = ("person", "condition", "opened_in_full", "refreshed_in_full", "expires_in_full")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether the reader is a superuser."""
        return bool(request.user.is_superuser)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the logins of people who share a tenant with the reader."""
        return in_scope(super().get_queryset(request), "user__memberships__tenant_id").distinct()

    @display(description=gettext_lazy("user"))
    def person(self, login: Login) -> str:
        """Show whose it is."""
        return two_lines(format_html("<b>{}</b>", login.user.get_username()), login.user.email)

    @display(description=gettext_lazy("state"))
    def condition(self, login: Login) -> str:
        """Show whether it opens anything, or why not any more."""
        if login.revoked_at:
            tone = "red" if login.ending == Login.Ending.REUSED else "gray"
            return badge(login.get_ending_display(), icon="block", tone=tone)
        if login.expires_at <= clock.now():
            return badge(_("Expired"), icon="hourglass_empty", tone="gray")
        return badge(_("Open"), icon="check_circle", tone="green")

    @display(description=gettext_lazy("opened"))
    def opened(self, login: Login) -> str:
        """Show since when."""
        return moment(login.opened_at)

    @display(description=gettext_lazy("refreshed"))
    def refreshed(self, login: Login) -> str:
        """Show when its token was exchanged last."""
        return moment(login.refreshed_at)

    @display(description=gettext_lazy("expires"))
    def expires(self, login: Login) -> str:
        """Show until when."""
        return moment(login.expires_at)

    @display(description=gettext_lazy("opened"))
    def opened_in_full(self, login: Login) -> str:
        """Show since when."""
        return long_moment(login.opened_at)

    @display(description=gettext_lazy("refreshed"))
    def refreshed_in_full(self, login: Login) -> str:
        """Show when its token was exchanged last."""
        return long_moment(login.refreshed_at)

    @display(description=gettext_lazy("expires"))
    def expires_in_full(self, login: Login) -> str:
        """Show until when."""
        return long_moment(login.expires_at)

    @button(gettext_lazy("End this login"), icon="logout", shown_for=lambda login: login.revoked_at is None)
    def end(self, request: HttpRequest, login: Login) -> None:
        """Let none of its tokens open anything from now on."""
        ended = services.end_login(
            login_id=login.pk, ending=Login.Ending.OPERATOR, now=clock.now(), by_id=request.user.pk
        )
        if ended:
            messages.success(request, _("The login of %s has ended.") % login.user)
        else:
            messages.warning(request, _("It is not needed."))
