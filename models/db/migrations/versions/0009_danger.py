"""Workers in danger: an alert that names its case, and the level that goes with it

Revision: 0009_danger, after 0008_jobs
"""

from alembic import op

revision = "0009_danger"
down_revision = "0008_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In SQL: Alembic would copy the table for it on SQLite, which adds such a column by itself.
    op.execute("ALTER TABLE alert ADD COLUMN case_id INTEGER REFERENCES case_file (id)")
    op.create_index("ix_alert_case_id", "alert", ["case_id"])
    op.execute(
        "UPDATE case_file SET level = 'P0' WHERE status <> 'closed' AND level IS NULL "
        "AND id IN (SELECT case_id FROM safety WHERE in_danger)"
    )
    # Written down before: whoever wrote it last tells it now.
    op.execute(
        "INSERT INTO alert (kind, agent_id, case_id, at, last_at) "
        "SELECT 'danger', e.by_id, c.id, s.reviewed_at, s.reviewed_at FROM case_file c "
        "JOIN safety s ON s.case_id = c.id JOIN case_event e ON e.id = (SELECT MAX(id) FROM case_event "
        "WHERE case_id = c.id AND kind = 'safety' AND by_id IS NOT NULL) "
        "WHERE c.status <> 'closed' AND s.in_danger AND s.reviewed_at IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DELETE FROM alert WHERE kind = 'danger'")
    op.drop_index("ix_alert_case_id", "alert")
    with op.batch_alter_table("alert") as table:
        table.drop_column("case_id")
