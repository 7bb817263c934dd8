"""What a run found, as people read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH = 68


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One invariant after a run: what it claims, what was found, and the numbers of the jobs that break it."""

    code: str
    claim: str
    figure: str
    holds: bool
    offenders: Sequence[int] = field(default=())


def table(verdicts: Sequence[Verdict]) -> str:
    """Return a line for each invariant in order of its code, and how many hold."""
    rows = sorted(verdicts, key=lambda verdict: int(verdict.code[1:]))
    lines = [
        f"{row.code:<4}{'passed' if row.holds else 'FAILED':<8}{row.claim:<{WIDTH}} {row.figure}".rstrip()
        for row in rows
    ]
    failed = sum(not row.holds for row in rows)
    return "\n".join([*lines, "", f"{len(rows) - failed} passed, {failed} failed"])
