from modules.reports.clients import ObjectGone, StorageFailed
from modules.reports.services._exports import (
    Download,
    clean_exports,
    fail_abandoned,
    fail_exports,
    find_by_link,
    link_of,
    make_export,
    open_download,
    prune_exports,
    request_export,
    revoke_export,
)
from modules.reports.services._summaries import NoAddresses, Sent, count_summaries, prune_summaries, send_summaries

__all__ = [
    "Download",
    "NoAddresses",
    "ObjectGone",
    "Sent",
    "StorageFailed",
    "clean_exports",
    "count_summaries",
    "fail_abandoned",
    "fail_exports",
    "find_by_link",
    "link_of",
    "make_export",
    "open_download",
    "prune_exports",
    "prune_summaries",
    "request_export",
    "revoke_export",
    "send_summaries",
]
