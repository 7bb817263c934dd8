"""The one router, so that the API of the diary is mounted as one."""

from ninja import Router

router = Router(by_alias=True)
