from modules.reports.services._summaries import NoAddresses, Sent, count_summaries, prune_summaries, send_summaries

__all__ = ["NoAddresses", "Sent", "count_summaries", "prune_summaries", "send_summaries"]
