"""The theme's classes under names of ours: to leave the theme, import these from django.contrib.admin."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the theme has no types; it is the stock admin with other templates
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.views.main import ChangeList
    from django.forms import PasswordInput as PasswordWidget
    from django.forms import Select as SelectWidget
    from django.forms import Textarea as TextareaWidget
    from django.forms import TextInput as TextWidget

    BaseAdmin = ModelAdmin[Any]
    BaseInline = TabularInline[Any, Any]
    BaseChangeList = ChangeList
else:
    from unfold.admin import ModelAdmin as BaseAdmin
    from unfold.admin import TabularInline as BaseInline
    from unfold.views import ChangeList as BaseChangeList
    from unfold.widgets import UnfoldAdminPasswordInput as PasswordWidget
    from unfold.widgets import UnfoldAdminSelectWidget as SelectWidget
    from unfold.widgets import UnfoldAdminTextareaWidget as TextareaWidget
    from unfold.widgets import UnfoldAdminTextInputWidget as TextWidget

__all__ = [
    "BaseAdmin",
    "BaseChangeList",
    "BaseInline",
    "PasswordWidget",
    "SelectWidget",
    "TextWidget",
    "TextareaWidget",
]
