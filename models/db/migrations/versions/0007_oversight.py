"""Alerts to supervisors, access that needs a second person, and what one person has looked at within the hour

Revision: 0007_oversight, after 0006_sign_ins
"""

import sqlalchemy as sa
from alembic import op

import models.db.types

revision = "0007_oversight"
down_revision = "0006_sign_ins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("open_for", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", models.db.types.UtcDateTime(), nullable=False),
        sa.Column("due_at", models.db.types.UtcDateTime(), nullable=False),
        sa.Column("ended_at", models.db.types.UtcDateTime(), nullable=True),
        sa.Column("end", sa.String(32), nullable=True),
        sa.Column("ended_by_id", sa.Integer(), nullable=True),
        sa.Column("used_at", models.db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["open_for"], ["agent.id"]),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["asked_by_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["ended_by_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("open_for"),
    )
    op.create_index("ix_access_request_agent_id", "access_request", ["agent_id"])
    op.create_index("ix_access_request_open", "access_request", ["ended_at", "due_at"])
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=True),
        sa.Column("amount", sa.Integer(), nullable=True),
        sa.Column("allowed", sa.Integer(), nullable=True),
        sa.Column("at", models.db.types.UtcDateTime(), nullable=False),
        sa.Column("last_at", models.db.types.UtcDateTime(), nullable=False),
        sa.Column("taken_at", models.db.types.UtcDateTime(), nullable=True),
        sa.Column("taken_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["access_request.id"]),
        sa.ForeignKeyConstraint(["taken_by_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_open", "alert", ["taken_at", "agent_id", "kind"])
    op.create_index("ix_audit_entry_by", "audit_entry", ["by_id", "at"])


def downgrade() -> None:
    op.drop_index("ix_audit_entry_by", "audit_entry")
    op.drop_table("alert")
    op.drop_table("access_request")
