from modules.drafts.admin._home import home
from modules.drafts.admin._invitations import InvitationAdmin, ShareMemberAdmin
from modules.drafts.admin._places import ProjectAdmin, PropertyAdmin
from modules.drafts.admin._receipts import CleanupReceiptAdmin
from modules.drafts.admin._records import RecordAdmin
from modules.drafts.admin._sync import SyncItemAdmin

__all__ = [
    "CleanupReceiptAdmin",
    "InvitationAdmin",
    "ProjectAdmin",
    "PropertyAdmin",
    "RecordAdmin",
    "ShareMemberAdmin",
    "SyncItemAdmin",
    "home",
]
