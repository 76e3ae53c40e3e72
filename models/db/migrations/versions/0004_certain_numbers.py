"""Which callers' numbers are certain, and what was refused at the line

Revision: 0004_numbers, after 0003_console
"""

import sqlalchemy as sa
from alembic import op

import models.db.types

revision = "0004_numbers"
down_revision = "0003_console"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Numbers kept so far were read by guessing: each is certain again when its telephone calls.
    op.add_column("caller", sa.Column("certain", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("contact", sa.Column("number_form", sa.String(48), nullable=True))
    op.create_table(
        "refused_calls",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("shape", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", models.db.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "shape"),
    )


def downgrade() -> None:
    op.drop_table("refused_calls")
    op.drop_column("contact", "number_form")
    op.drop_column("caller", "certain")
