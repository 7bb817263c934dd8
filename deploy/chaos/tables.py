"""What the jobs of a run leave behind, apart from the ledger: rows, lines, and the producer's own account."""

import os
from pathlib import Path
from uuid import UUID

from django.db import connection

FILE = "CHAOS_FILE"  # the variable that names the file of external effects

TABLES = """
CREATE TABLE chaos_batch (number int PRIMARY KEY);
CREATE TABLE chaos_effect (number int, job_id text, start int, at timestamptz DEFAULT clock_timestamp());
CREATE INDEX chaos_effect_number ON chaos_effect (number);
"""


def write_effect(*, number: int, job_id: UUID | str, start: int) -> None:
    """Leave a row; nothing in the table would refuse a second one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chaos_effect (number, job_id, start) VALUES (%s, %s, %s)", [number, str(job_id), start]
        )


def write_line(*, number: int, job_id: UUID | str) -> None:
    """Leave a line in the file: it is there at once and no rollback takes it back."""
    line = f"{number} {job_id}\n".encode()
    descriptor = os.open(Path(os.environ[FILE]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)  # one call, so that no other process's line is cut in two
    finally:
        os.close(descriptor)
