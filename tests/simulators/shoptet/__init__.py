"""A stateful Shoptet shop over real HTTP, for tests and the demo; product code never imports it."""

from .faults import Fault, FaultKind
from .limits import TokenState
from .options import Options
from .server import SimulatedShop

__all__ = ["Fault", "FaultKind", "Options", "SimulatedShop", "TokenState"]
