"""HTTP in: people ask for their data, and fetch them."""

from modules.reports.api._download import download
from modules.reports.api._rest import router

__all__ = ["download", "router"]
