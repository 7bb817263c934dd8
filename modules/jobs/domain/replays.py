"""How a replay of many dead letters begins with a few: arithmetic without a database."""

RAMP = (5, 50)
"""How many jobs run in each careful step; when those of the last one have ended, all others follow."""

MOST_IN_FLIGHT = 500
"""Jobs of one replay that are released and have not ended, at most: what a cause that returns late can reach."""


def may_release(*, released: int, in_flight: int) -> int:
    """Return how many more jobs may be released; `released` counts from the replay's start or its last resumption.

    A careful step is waited for to its last job. After them the rest flows, MOST_IN_FLIGHT at a time.
    """
    upto = 0
    for size in RAMP:
        upto += size
        if released < upto:
            return 0 if in_flight else upto - released
    if released == upto and in_flight:
        return 0
    return max(0, MOST_IN_FLIGHT - in_flight)


def step_of(released: int) -> int:
    """Return the step, from 1, that the last released job belongs to; len(RAMP) + 1 is the rest."""
    upto = 0
    for number, size in enumerate(RAMP, start=1):
        upto += size
        if released <= upto:
            return number
    return len(RAMP) + 1
