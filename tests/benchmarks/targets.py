"""The figures to reach, as ratios within one run."""

from tests.benchmarks.contest import OURS, Figures

DURABLE = ("procrastinate_pg", "tasks_db")


def verdicts(figures: dict[str, Figures]) -> list[str]:
    """Return a line for each target whose contenders took part."""
    ours = figures.get(OURS)
    if ours is None:
        return []
    lines = [at_least("send_many of 10,000 / one by one", ours.bulk / ours.enqueue, 20)]
    if peer := figures.get("procrastinate_pg"):
        lines.append(at_least("enqueue / Procrastinate's", ours.enqueue / peer.enqueue, 1.0))
    if durable := [figures[name].drain for name in DURABLE if name in figures]:
        lines.append(at_least("drain / best durable peer's", ours.drain / max(durable), 4))
    if peer := figures.get("raw_dramatiq"):
        lines.append(at_least("drain / raw Dramatiq's", ours.drain / peer.drain, 0.6))
    if peer := figures.get("celery_redis"):
        lines.append(at_most("idle latency p50 / Celery's", ours.p50 / peer.p50, 1.0))
    lines.append(at_most("idle latency p99 / its p50", ours.p99 / ours.p50, 3))
    return lines


def at_least(what: str, found: float, wanted: float) -> str:
    return f"{'reached' if found >= wanted else 'MISSED':<9}{what:<36}{found:8.2f}   at least {wanted:g}"


def at_most(what: str, found: float, wanted: float) -> str:
    return f"{'reached' if found <= wanted else 'MISSED':<9}{what:<36}{found:8.2f}   at most {wanted:g}"
