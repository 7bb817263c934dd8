"""The REST API's limits. Each can be changed without touching code."""

from typing import Any

from config import env

API: dict[str, Any] = {
    # A job's arguments (JOBS_MAX_ARGUMENT_BYTES) and room for the rest.
    "MAX_BODY_BYTES": env.number("API_MAX_BODY_BYTES", default=320 * 1024, at_least=1),
    # As many at once, then evenly as many a minute.
    "TOKEN_PER_MINUTE": env.number("API_TOKEN_PER_MINUTE", default=600, at_least=1),
    "TENANT_PER_MINUTE": env.number("API_TENANT_PER_MINUTE", default=1_800, at_least=1),
    # People who log in: by user name, and by the address that they come from.
    "LOGIN_PER_MINUTE": env.number("API_LOGIN_PER_MINUTE", default=10, at_least=1),
    "ADDRESS_PER_MINUTE": env.number("API_ADDRESS_PER_MINUTE", default=120, at_least=1),
    # How long their tokens open anything.
    "ACCESS_MINUTES": env.number("API_ACCESS_MINUTES", default=15, at_least=1),
    "REFRESH_DAYS": env.number("API_REFRESH_DAYS", default=30, at_least=1),
    # Recurring jobs that one tenant may have.
    "TENANT_SCHEDULES": env.number("API_TENANT_SCHEDULES", default=100, at_least=0),
}
