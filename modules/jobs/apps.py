from importlib import import_module

import dramatiq
from django.apps import AppConfig, apps
from django.conf import settings
from django.utils.module_loading import autodiscover_modules, import_string
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    """Sets the broker, then makes every module's actors, receivers and schedules known."""

    name = "modules.jobs"
    verbose_name = _("Jobs")

    def ready(self) -> None:
        """Runs once in every process: web, worker, scheduler and command alike."""
        from modules.jobs import registry  # models must be loaded first

        dramatiq.set_broker(import_string(settings.JOBS["BROKER"])())
        autodiscover_modules("actors", "receivers", "schedules")
        for config in apps.get_app_configs():
            if config.name.startswith("modules.") and _has_schedules(config):
                registry.declare(import_module(f"{config.name}.schedules").SCHEDULES)


def _has_schedules(config: AppConfig) -> bool:
    from django.utils.module_loading import module_has_submodule

    return module_has_submodule(config.module, "schedules")
