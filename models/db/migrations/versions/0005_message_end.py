"""What ended a message, so that the case can say when it was the line

Revision: 0005_message_end, after 0004_numbers
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_message_end"
down_revision = "0004_numbers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("message_end", sa.String(32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.drop_column("message_end")
