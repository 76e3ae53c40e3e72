"""Work that outlives the request that asked for it

Revision: 0008_jobs, after 0007_oversight
"""

import sqlalchemy as sa
from alembic import op

import models.db.types

revision = "0008_jobs"
down_revision = "0007_oversight"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("key", sa.String(96), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("claimed_by", sa.String(64), nullable=True),
        sa.Column("lease_until", models.db.types.UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", models.db.types.UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(64), nullable=True),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", models.db.types.UtcDateTime(), nullable=False),
        sa.Column("started_at", models.db.types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", models.db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["asked_by_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_job_state", "job", ["state", "id"])
    op.create_index("ix_job_kind", "job", ["kind", "id"])


def downgrade() -> None:
    op.drop_table("job")
