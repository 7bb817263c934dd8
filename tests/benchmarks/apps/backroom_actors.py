from modules.jobs.engine import actor
from tests.benchmarks import work


@actor(actor_name="bench.noop", queue_name="default", max_retries=0)
def noop(*, sent_ns: int) -> None:
    """Leave a trace."""
    work.do(sent_ns)
