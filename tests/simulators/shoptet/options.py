from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the simulated API behaves where the vendor's documents are silent or a test wants otherwise.

    `connections`, `bucket_drops`: None switches that limit off. `leak_per_second`: drops.
    `latency_seconds`: what each API call takes at least, holding its connection.
    `exclusive_change_time`: changeTimeFrom, changeTimeTo and `from` leave the instant itself out.
    `vendor_numbers`: quantities and VAT rates as JSON numbers, as in the vendor's examples.
    `missing_page_is_404`: a page beyond the last is refused instead of empty.
    `client_id`, `client_secret`: of the add-on, as its installation is exchanged for a token.
    `oauth_token`: what an add-on shows for access tokens; `access_token_seconds`: how long one of them lives.
    `snapshot_seconds`: what a snapshot's job takes. `snapshot_format`: gzip, plain or members (two gzip members
    and a blank line). `link_seconds`: how long a result can be fetched.
    """

    token: str = "222651-p-1-simulated"
    client_id: str = "n345d1wbbtairdpt"
    client_secret: str = "simulated-client-secret"
    oauth_token: str = "simulated-permanent-token-of-an-add-on"
    access_token_seconds: float = 1800
    connections: int | None = 3
    bucket_drops: int | None = 200
    leak_per_second: float = 10
    latency_seconds: float = 0
    exclusive_change_time: bool = False
    vendor_numbers: bool = False
    missing_page_is_404: bool = False
    snapshot_seconds: float = 0
    snapshot_format: str = "gzip"
    link_seconds: float = 24 * 3600
