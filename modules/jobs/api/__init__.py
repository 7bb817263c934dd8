"""The REST API of jobs: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from modules.jobs.api import _figures, _jobs, _recurring, _replays  # noqa: F401 -- they put their operations into the router
from modules.jobs.api._router import router

__all__ = ["router"]
