"""Two tenants with tokens, and the API over real HTTP."""

from dataclasses import dataclass

import httpx
import pytest

from modules.accounts import services
from modules.accounts.models import Tenant

ALL = ["jobs:read", "jobs:write"]


@dataclass
class Caller:
    """A tenant's program."""

    tenant: Tenant
    http: httpx.Client

    def send(self, type_="file-analysis", data=None, **options):
        """Send a job and return its id."""
        body = {"type": type_, "data": FILE if data is None else data, "options": options}
        answer = self.http.post("/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]


FILE = {"fileId": "file-123", "fileUrl": "s3://bucket/file.stl", "fileName": "part.stl", "fileType": "stl"}


@pytest.fixture
def make_caller(live_server):
    """Make a tenant's program with a token of some scopes."""
    clients = []

    def make(name, scopes=ALL, **fields):
        tenant, _ = Tenant.objects.get_or_create(name=name)
        _, text = services.create_token(tenant_id=tenant.pk, name="test", scopes=scopes, **fields)
        clients.append(open_http(live_server.url, str(text)))
        return Caller(tenant, clients[-1])

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def alice(make_caller):
    return make_caller("Alice")


@pytest.fixture
def bob(make_caller):
    return make_caller("Bob")


def open_http(url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=20)


@pytest.fixture
def nobody(live_server):
    """HTTP without a token."""
    with open_http(live_server.url) as client:
        yield client
