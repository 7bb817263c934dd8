from django.db import migrations

# Frozen here on purpose; the newest list is in 0007_batches.
STEPS = """
    scheduled>queued retrying>queued queued>running
    running>succeeded running>retrying running>failed running>scheduled running>queued
    running>quarantined running>cancelled
    scheduled>cancelled queued>cancelled retrying>cancelled failed>cancelled quarantined>cancelled
    failed>queued quarantined>queued
""".split()

GUARD = f"""
CREATE FUNCTION jobs_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state || '>' || NEW.state NOT IN ({", ".join(f"'{step}'" for step in STEPS)}) THEN
        RAISE EXCEPTION 'a job cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER jobs_guard_state BEFORE UPDATE OF state ON jobs_job
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION jobs_guard_state();
"""

# Rows change a few times and then rest: room on the page keeps progress updates off the indexes, and
# vacuum by a small share keeps the queue's indexes short however many old rows there are.
STORAGE = """
ALTER TABLE jobs_job SET (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE jobs_worker SET (fillfactor = 50);
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [
        migrations.RunSQL(GUARD, "DROP FUNCTION jobs_guard_state() CASCADE"),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
