"""The one router, so that the API of jobs is mounted as one."""

from ninja import Router

router = Router(by_alias=True)
