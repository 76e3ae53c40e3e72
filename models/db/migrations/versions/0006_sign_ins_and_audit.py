"""Known browsers, confirmed sign-ins, and an audit chain with a key

Revision: 0006_sign_ins, after 0005_message_end
"""

import sqlalchemy as sa
from alembic import op

import models.db.types

revision = "0006_sign_ins"
down_revision = "0005_message_end"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_browser",
        sa.Column("mark_sha256", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("seen_at", models.db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("mark_sha256", "agent_id"),
    )
    op.create_index("ix_known_browser_agent_id", "known_browser", ["agent_id"])
    op.add_column("sign_in", sa.Column("confirmed_at", models.db.types.UtcDateTime(), nullable=True))
    # What stands there by now carries no key: the first entry that does covers all of it.
    op.add_column("audit_entry", sa.Column("keyed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_sign_in_attempt_who", "sign_in_attempt")
    op.drop_table("sign_in_attempt")


def downgrade() -> None:
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("at", models.db.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sign_in_attempt_who", "sign_in_attempt", ["who", "at"])
    with op.batch_alter_table("audit_entry") as batch_op:
        batch_op.drop_column("keyed")
    with op.batch_alter_table("sign_in") as batch_op:
        batch_op.drop_column("confirmed_at")
    op.drop_index("ix_known_browser_agent_id", "known_browser")
    op.drop_table("known_browser")
