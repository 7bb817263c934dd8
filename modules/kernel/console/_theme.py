"""The theme's classes under names of ours: to leave the theme, import these from django.contrib.admin."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the theme has no types; it is the stock admin with other templates
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.auth.admin import UserAdmin
    from django.contrib.auth.forms import AdminPasswordChangeForm as PasswordChangeForm
    from django.contrib.auth.forms import UserChangeForm, UserCreationForm
    from django.core.paginator import Paginator
    from django.forms import ModelForm
    from django.forms import NumberInput as NumberWidget
    from django.forms import PasswordInput as PasswordWidget
    from django.forms import Select as SelectWidget
    from django.forms import Textarea as TextareaWidget
    from django.forms import TextInput as TextWidget

    StockUserAdmin = UserAdmin[Any]
    BaseAdmin = ModelAdmin[Any]
    BaseInline = TabularInline[Any, Any]
    BaseChangeList = ChangeList
    BaseModelForm = ModelForm[Any]
    BasePaginator = Paginator[Any]
else:
    from django.contrib.auth.admin import UserAdmin as StockUserAdmin
    from django.core.paginator import Paginator as BasePaginator
    from django.forms import ModelForm as BaseModelForm
    from unfold.admin import ModelAdmin as BaseAdmin
    from unfold.admin import TabularInline as BaseInline
    from unfold.forms import AdminPasswordChangeForm as PasswordChangeForm
    from unfold.forms import UserChangeForm, UserCreationForm
    from unfold.views import ChangeList as BaseChangeList
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberWidget
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordWidget
    from unfold.widgets import UnfoldAdminSelectWidget as SelectWidget
    from unfold.widgets import UnfoldAdminTextareaWidget as TextareaWidget
    from unfold.widgets import UnfoldAdminTextInputWidget as TextWidget

__all__ = [
    "BaseAdmin",
    "BaseChangeList",
    "BaseInline",
    "BaseModelForm",
    "BasePaginator",
    "NumberWidget",
    "PasswordChangeForm",
    "PasswordWidget",
    "SelectWidget",
    "StockUserAdmin",
    "TextWidget",
    "TextareaWidget",
    "UserChangeForm",
    "UserCreationForm",
]
