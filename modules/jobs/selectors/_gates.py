"""What is paused."""

from modules.jobs.models import Pause

# Whether somebody stopped what a job is, whoever it is for, or what it uses.
PAUSED = """EXISTS (SELECT 1 FROM jobs_pause pause WHERE (pause.kind, pause.value) IN (
    ('queue', jobs_job.queue), ('actor', jobs_job.actor),
    ('tenant', jobs_job.tenant_id::text), ('resource', jobs_job.resource)))"""


def paused_gates() -> set[tuple[str, str]]:
    """Return what is paused: its kind and its value, like ("queue", "low")."""
    return set(Pause.objects.values_list("kind", "value"))
