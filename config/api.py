"""The REST API: which module answers where, and what a token needs there."""

from ninja.openapi.docs import Swagger

from modules.accounts.api import BearerToken, MemberToken, PersonToken, in_tenants_scope, with_rate_limit
from modules.accounts.api import router as auth
from modules.catalog.api import router as catalog
from modules.customers.api import router as customers
from modules.drafts.api import joining
from modules.drafts.api import router as drafts
from modules.inventory.api import router as inventory
from modules.jobs.api import router as jobs
from modules.kernel.rest import RestApi
from modules.notifications.api import router as notifications
from modules.orders.api import router as orders
from modules.reports.api import router as exports
from modules.shoptet.api import router as shoptet

api = RestApi(
    title="Backroom",
    version="1",
    description=(
        "Jobs, orders, products, customers, stock, notices and diary of one tenant, "
        "who is the token's: `Authorization: Bearer br_…`. A person logs in at `/auth/login` and sends the "
        "access token in the same way; who belongs to several tenants names one in the header `Backroom-Tenant`."
    ),
    urls_namespace="api",
    docs=Swagger(settings={"validatorUrl": None}),  # the page asks nobody outside
)
api.add_decorator(with_rate_limit, mode="view")
api.add_decorator(in_tenants_scope, mode="operation")
api.add_router("/auth", auth, tags=["auth"])
api.add_router("/jobs", jobs, auth=BearerToken("jobs"), tags=["jobs"])
api.add_router("/orders", orders, auth=BearerToken("orders"), tags=["orders"])
api.add_router("/catalog", catalog, auth=BearerToken("catalog"), tags=["catalog"])
api.add_router("/customers", customers, auth=BearerToken("customers"), tags=["customers"])
api.add_router("/drafts", drafts, auth=BearerToken("drafts"), tags=["drafts"])
api.add_router("/invitations", joining, auth=PersonToken(), tags=["drafts"])
api.add_router("/inventory", inventory, auth=BearerToken("inventory"), tags=["inventory"])
api.add_router("/notifications", notifications, auth=BearerToken("notifications"), tags=["notifications"])
api.add_router("/users/me", exports, auth=MemberToken(), tags=["users"])
api.add_router("/shoptet", shoptet, auth=BearerToken("shoptet"), tags=["shoptet"])
