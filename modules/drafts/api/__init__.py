"""The REST API of the diary: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from modules.drafts.api import _places, _records  # noqa: F401 -- they put their operations into the router
from modules.drafts.api._router import router

__all__ = ["router"]
