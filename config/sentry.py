"""Error reports: what is sent, and what never is."""

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.dramatiq import DramatiqIntegration
from sentry_sdk.integrations.stdlib import StdlibIntegration

from modules.kernel.secrets import scrub_breadcrumb, scrub_event


def start_reports(dsn: str, *, environment: str, **options: Any) -> None:
    """Send reports to `dsn` from now on; does nothing when it is empty.

    Personal data stays out by the SDK's default. Version 2.75's integration of Dramatiq sends whole messages, that
    of the standard library the addresses that were called (a webhook's address is its secret) and what programs
    were started, that of argv the command line.
    """
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        include_local_variables=False,
        max_request_body_size="never",
        disabled_integrations=[DramatiqIntegration(), StdlibIntegration(), ArgvIntegration()],
        before_send=scrub_event,
        before_breadcrumb=scrub_breadcrumb,
        **options,
    )
