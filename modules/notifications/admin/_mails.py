"""The ledger of mails, and what each mail looks like in each language."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import display, register
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel.console import (
    ReadOnlyAdmin,
    badge,
    button,
    first_line,
    long_moment,
    moment,
    muted,
    table,
    text_block,
    two_lines,
)
from modules.kernel.secrets import UnreadableSecret, decrypt
from modules.notifications import selectors, services
from modules.notifications.admin._looks import mail_badge, recipient_badge
from modules.notifications.domain import LANGUAGES, MAILS
from modules.notifications.models import EmailMessage

State = EmailMessage.State


@register(EmailMessage)
class EmailMessageAdmin(ReadOnlyAdmin):
    list_display = ("mail", "to", "condition", "attempts", "created", "trouble")
    list_display_links = ("mail",)
    list_filter = ("state", "template", "locale")
    list_before_template = "notifications/mails_above.html"
    search_fields = ("=recipients__address", "=key")
    search_help_text = gettext_lazy("whole address or key")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("send_again", "confirm_sent")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("mail", "condition", "attempts"),
                    ("template", "locale", "from_email"),
                    "trouble_in_full",
                    ("created_in_full", "finished_in_full"),
                    ("key", "number", "provider_id"),
                )
            },
        ),
        (gettext_lazy("Recipients"), {"fields": ("whom",)}),
        (gettext_lazy("Text"), {"fields": ("text", "page")}),
    )
    readonly_fields = (
        *("mail", "condition", "trouble_in_full", "created_in_full", "finished_in_full", "number", "whom"),
        *("text", "page"),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the page of previews."""
        view = self.admin_site.admin_view(self.previews_view)
        return [path("templates/", view, name="notifications_emailmessage_previews"), *super().get_urls()]

    def previews_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show one mail in one language with sample data, and lead to all others."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        template, locale = request.GET.get("template", next(iter(MAILS))), request.GET.get("locale", LANGUAGES[0])
        if template not in MAILS or locale not in LANGUAGES:
            raise Http404
        shown = services.render(template=template, locale=locale, values=MAILS[template].sample)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Mails as they look"),
            "opts": self.opts,
            "rows": [_preview_row(name, template, locale) for name in MAILS],
            "subject": shown.subject,
            "text": text_block(shown.text),
            "page": _page(shown.html),
        }
        return TemplateResponse(request, "notifications/previews.html", context)

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Read the recipients of the page's mails at once."""
        found = selectors.recipients_of(rows)
        for row in rows:
            row.recipients_read = found.get(row.pk, [])

    def summary(self, request: HttpRequest, rows: "QuerySet[Any]") -> dict[str, Any]:
        """Return the way to the previews."""
        return {"previews": reverse("admin:notifications_emailmessage_previews")}

    @display(description=gettext_lazy("e-mail"))
    def mail(self, row: EmailMessage) -> str:
        """Show what it says above all."""
        return two_lines(format_html("<b>{}</b>", row.subject), f"{row.template} · {row.locale}")

    @display(description=gettext_lazy("to"))
    def to(self, row: Any) -> str:
        """Show the first recipient, and how many more there are."""
        first, *rest = row.recipients_read or ["–"]
        return two_lines(first, f"+ {len(rest)}" if rest else "")

    @display(description=gettext_lazy("state"))
    def condition(self, row: EmailMessage) -> str:
        """Show how far it is, or how it ended."""
        return mail_badge(row)

    @display(description=gettext_lazy("created"))
    def created(self, row: EmailMessage) -> str:
        """Show since when it is there."""
        return moment(row.created_at)

    @display(description=gettext_lazy("error"))
    def trouble(self, row: EmailMessage) -> str:
        """Show what went wrong in one line."""
        line = first_line(row.error)
        return format_html('<span class="bk-error" title="{}">{}</span>', line, line) if line else muted("–")

    @display(description=gettext_lazy("error"))
    def trouble_in_full(self, row: EmailMessage) -> str:
        """Show what went wrong."""
        return text_block(row.error) if row.error else muted("–")

    @display(description=gettext_lazy("created"))
    def created_in_full(self, row: EmailMessage) -> str:
        """Show since when it is there."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("finished"))
    def finished_in_full(self, row: EmailMessage) -> str:
        """Show when it ended."""
        return long_moment(row.finished_at)

    @display(description=gettext_lazy("Message-ID"))
    def number(self, row: EmailMessage) -> str:
        """Show by which number mail servers know it."""
        return services.message_id(row)

    @display(description=gettext_lazy("recipients"))
    def whom(self, row: EmailMessage) -> str:
        """Show what became of each."""
        headers = [_("address"), _("state"), _("detail"), _("changed")]
        return table(
            headers,
            [
                [each.address, recipient_badge(each), each.detail or "–", moment(each.changed_at)]
                for each in selectors.recipients(row)
            ],
        )

    @display(description=gettext_lazy("text"))
    def text(self, row: EmailMessage) -> str:
        """Show what it says, unless that opens something."""
        shown = _readable(row, row.text_encrypted)
        return shown if isinstance(shown, SafeString) else text_block(shown)

    @display(description=gettext_lazy("HTML"))
    def page(self, row: EmailMessage) -> str:
        """Show how it looks, unless that opens something."""
        shown = _readable(row, row.html_encrypted)
        return shown if isinstance(shown, SafeString) else _page(shown)

    @button(
        gettext_lazy("Send again"),
        icon="replay",
        shown_for=lambda row: row.state in {State.FAILED, State.UNCERTAIN},
        question=gettext_lazy("If its sending is uncertain, somebody may get it twice. Send it again?"),
    )
    def send_again(self, request: HttpRequest, row: EmailMessage) -> None:
        """Try once more, for those who have not got it."""
        done = services.send_again(mail_id=row.pk)
        messages.success(request, _("Sent: %s") % row) if done else messages.warning(request, _("It is not needed."))

    @button(gettext_lazy("It was sent"), icon="done_all", shown_for=lambda row: row.state == State.UNCERTAIN)
    def confirm_sent(self, request: HttpRequest, row: EmailMessage) -> None:
        """Note what the mail server's log says."""
        done = services.confirm_sent(mail_id=row.pk)
        messages.success(request, _("Noted.")) if done else messages.warning(request, _("It is not needed."))


def _readable(row: EmailMessage, encrypted: str) -> str | SafeString:
    """Return a part of the mail as text, or, safe to show, why it is not shown."""
    if row.template in MAILS and MAILS[row.template].is_secret:
        return badge(_("Hidden: it opens something"), icon="lock", tone="gray")
    try:
        return decrypt(encrypted) if encrypted else muted("–")
    except UnreadableSecret as error:
        return muted(error)


def _page(source: str) -> SafeString:
    """Return a page in a frame of its own, in which nothing runs and nothing leads out."""
    return format_html(
        '<iframe sandbox="" srcdoc="{}" title="{}"'
        ' style="width:100%;height:36rem;background:#fff;border:1px solid #8884"></iframe>',
        *(escape(source), _("HTML")),  # also what a template made, and calls safe: safe in a page, not in an attribute
    )


def _preview_row(name: str, template: str, locale: str) -> dict[str, Any]:
    links = [
        {"locale": each, "url": f"?template={name}&locale={each}", "is_chosen": (name, each) == (template, locale)}
        for each in LANGUAGES
    ]
    return {"name": name, "links": links}
