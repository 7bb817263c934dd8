from modules.reports.admin._exports import ExportAdmin
from modules.reports.admin._summaries import SummaryReceiptAdmin, WeeklySummaryAdmin

__all__ = ["ExportAdmin", "SummaryReceiptAdmin", "WeeklySummaryAdmin"]
