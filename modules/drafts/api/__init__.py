"""The REST API of the diary: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from modules.drafts.api import _documents, _places, _records, _sync  # noqa: F401 -- they put their operations into the router
from modules.drafts.api._router import router
from modules.drafts.api._sharing import joining

__all__ = ["joining", "router"]
