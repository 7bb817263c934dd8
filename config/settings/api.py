"""The REST API's limits. Each can be changed without touching code."""

from typing import Any

from config import env

API: dict[str, Any] = {
    # A job's arguments (JOBS_MAX_ARGUMENT_BYTES) and room for the rest.
    "MAX_BODY_BYTES": env.number("API_MAX_BODY_BYTES", default=320 * 1024, at_least=1),
    # As many at once, then evenly as many a minute.
    "TOKEN_PER_MINUTE": env.number("API_TOKEN_PER_MINUTE", default=600, at_least=1),
    "TENANT_PER_MINUTE": env.number("API_TENANT_PER_MINUTE", default=1_800, at_least=1),
    # Recurring jobs that one tenant may have.
    "TENANT_SCHEDULES": env.number("API_TENANT_SCHEDULES", default=100, at_least=0),
}
