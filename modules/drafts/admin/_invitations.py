"""Who was invited to what, what became of it, and the way to withdraw it."""

from django.contrib import messages
from django.contrib.admin import display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.drafts import services
from modules.drafts.admin._looks import invitation_badge, person
from modules.drafts.models import Invitation, ShareMember
from modules.kernel import clock
from modules.kernel.console import ReadOnlyAdmin, button, long_moment, moment, two_lines


@register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ("whom", "condition", "to_what", "inviter", "expires", "ended")
    list_display_links = ("whom",)
    list_filter = ("status", "target_type", "role")
    list_select_related = ("created_by",)
    search_fields = ("=email", "target_name")
    search_help_text = gettext_lazy("whole e-mail, or name of what is shared")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("revoke",)
    fields = (
        *(("whom", "condition"), ("to_what", "role"), ("inviter", "taker")),
        *(("created_in_full", "expires_in_full", "ended_in_full"), "public_id"),
    )
    readonly_fields = (
        *("whom", "condition", "to_what", "inviter", "taker", "created_in_full", "expires_in_full", "ended_in_full"),
    )

    @display(description=gettext_lazy("e-mail"))
    def whom(self, row: Invitation) -> str:
        """Show who was invited."""
        return format_html("<b>{}</b>", row.email)

    @display(description=gettext_lazy("state"))
    def condition(self, row: Invitation) -> str:
        """Show what became of it."""
        return invitation_badge(row)

    @display(description=gettext_lazy("what is shared"))
    def to_what(self, row: Invitation) -> str:
        """Show what it is about."""
        return two_lines(row.target_name, row.get_target_type_display())

    @display(description=gettext_lazy("invited by"))
    def inviter(self, row: Invitation) -> str:
        """Show who made it."""
        return person(row.created_by)

    @display(description=gettext_lazy("accepted by"))
    def taker(self, row: Invitation) -> str:
        """Show who took it."""
        return person(row.accepted_by)

    @display(description=gettext_lazy("expires"))
    def expires(self, row: Invitation) -> str:
        """Show until when it can be accepted."""
        return moment(row.expires_at)

    @display(description=gettext_lazy("ended"))
    def ended(self, row: Invitation) -> str:
        """Show since when it cannot."""
        return moment(row.ended_at)

    @display(description=gettext_lazy("created"))
    def created_in_full(self, row: Invitation) -> str:
        """Show when it was made."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("expires"))
    def expires_in_full(self, row: Invitation) -> str:
        """Show until when it can be accepted."""
        return long_moment(row.expires_at)

    @display(description=gettext_lazy("ended"))
    def ended_in_full(self, row: Invitation) -> str:
        """Show since when it cannot."""
        return long_moment(row.ended_at)

    @button(
        gettext_lazy("Withdraw"),
        icon="block",
        shown_for=lambda row: row.status == Invitation.Status.PENDING,
        question=gettext_lazy("Its link will open nothing any more."),
    )
    def revoke(self, request: HttpRequest, row: Invitation) -> None:
        """Let nobody accept it any more."""
        if services.revoke_invitation(invitation_id=row.pk, now=clock.now(), by_id=request.user.pk):
            messages.success(request, _("The invitation of %s is withdrawn.") % row.email)
        else:
            messages.warning(request, _("It does not wait any more."))


@register(ShareMember)
class ShareMemberAdmin(ReadOnlyAdmin):
    list_display = ("member", "to_what", "role", "since")
    list_display_links = ("member",)
    list_filter = ("target_type", "role")
    list_select_related = ("user", "invitation")
    search_fields = ("=user__username", "=user__email")
    search_help_text = gettext_lazy("whole user name or e-mail")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("member", "role"), ("to_what", "invitation"), "since_in_full")
    readonly_fields = ("member", "to_what", "since_in_full")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: people share and part by themselves."""
        return False

    @display(description=gettext_lazy("user"))
    def member(self, row: ShareMember) -> str:
        """Show with whom it is shared."""
        return person(row.user)

    @display(description=gettext_lazy("what is shared"))
    def to_what(self, row: ShareMember) -> str:
        """Show what it is, by the name that it had when it was offered."""
        return two_lines(row.invitation.target_name if row.invitation else row.target_id, row.get_target_type_display())

    @display(description=gettext_lazy("since"))
    def since(self, row: ShareMember) -> str:
        """Show since when."""
        return moment(row.created_at)

    @display(description=gettext_lazy("since"))
    def since_in_full(self, row: ShareMember) -> str:
        """Show since when."""
        return long_moment(row.created_at)
