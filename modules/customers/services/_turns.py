"""Who decides who is who is alone in its tenant; whoever only counts goes beside others who count."""

from django.db import connection


def wait_for_turn(tenant_id: int) -> None:
    """Be alone until the transaction ends: else two would make one guest twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('customers', %s))", [tenant_id])


def wait_to_count(tenant_id: int) -> None:
    """Keep links and merges as they are until the transaction ends; any number may count at once.

    The commit does not wait for the disk: figures that a crash takes away are counted again, by the same job, whose
    end is in the same commit and is lost with them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'off', TRUE),"
            " pg_advisory_xact_lock_shared(hashtextextended('customers', %s))",
            [tenant_id],
        )
