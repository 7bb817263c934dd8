"""Which group a customer belongs to by recency, frequency and money (RFM)."""

from enum import StrEnum

QUINTILES = (0.2, 0.4, 0.6, 0.8)
MEASURABLE = 25  # customers whose quintiles mean anything: one alone would be his own worst fifth
DEFAULT_RECENCY_DAYS = (30, 90, 180, 365)  # until the tenant's own customers have been measured
ORDERS = (2, 3, 5, 9)  # fixed: where most people buy once, quintiles of frequency would part equals


class Segment(StrEnum):
    """A group of customers that a shop would speak to in the same way, best first."""

    CHAMPIONS = "champions"
    LOYAL = "loyal"
    PROMISING = "promising"
    NEW = "new"
    COOLING = "cooling"
    AT_RISK = "at_risk"
    CANT_LOSE = "cant_lose"
    SLEEPING = "sleeping"
    LOST = "lost"


_S = Segment
GRID: tuple[tuple[Segment, ...], ...] = (
    (_S.LOST, _S.LOST, _S.LOST, _S.CANT_LOSE, _S.CANT_LOSE),
    (_S.SLEEPING, _S.SLEEPING, _S.AT_RISK, _S.AT_RISK, _S.AT_RISK),
    (_S.COOLING, _S.COOLING, _S.COOLING, _S.LOYAL, _S.LOYAL),
    (_S.NEW, _S.PROMISING, _S.LOYAL, _S.LOYAL, _S.CHAMPIONS),
    (_S.NEW, _S.PROMISING, _S.LOYAL, _S.CHAMPIONS, _S.CHAMPIONS),
)
"""Segments by recency score (rows, 1 is longest ago) and by the mean of frequency and money (columns, 5 is most)."""
