"""Two tenants with tokens, and the API over real HTTP."""

import uuid
from dataclasses import dataclass

import httpx
import pytest
from django.utils import timezone

from modules.accounts import services
from modules.accounts.models import Tenant
from modules.jobs.models import Job

ALL = ["jobs:read", "jobs:write", "customers:read", "inventory:read", "shoptet:read", "shoptet:write"]
ALL += ["notifications:read", "notifications:write"]
ALL += ["orders:read", "catalog:read", "drafts:read", "drafts:write"]


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
def place(live_server):
    """Where the API answers: a real server. A file of many small cases puts `within()` here instead."""
    return {"base_url": live_server.url}


@pytest.fixture
def make_caller(place):
    """Make a tenant's program with a token of some scopes."""
    clients = []

    def make(name, scopes=ALL, **fields):
        tenant, _ = Tenant.objects.get_or_create(name=name)
        _, text = services.create_token(tenant_id=tenant.pk, name="test", scopes=scopes, **fields)
        clients.append(open_http(place, str(text)))
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


def open_http(place, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(**{**place, "base_url": f"{place['base_url']}/api/v1"}, headers=headers, timeout=20)


@pytest.fixture
def nobody(place):
    """HTTP without a token."""
    with open_http(place) as client:
        yield client


@pytest.fixture
def force():
    """Bring a queued job into a state by steps that the ledger allows, without running it."""

    def forced(job_id, state, **fields):
        now, job = timezone.now(), Job.objects.filter(id=job_id)
        if state not in {"queued", "cancelled"}:
            job.update(state="running", worker_id=uuid.uuid4(), started_at=now, deadline_at=now)
        if state not in {"queued", "running"}:
            job.update(state=state, finished_at=now, **fields)

    return forced
