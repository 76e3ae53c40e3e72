"""Lists of the console that stay fast over the years

Revision: 0003_console, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_console"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    still_open = sa.text("status != 'closed'")
    op.create_index(
        "ix_case_open",
        "case_file",
        ["owner_id", "level", "opened_at", "language", "status"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("ix_case_opened", "case_file", ["opened_at"])
    op.create_index("ix_case_owner", "case_file", ["owner_id", "opened_at"])
    op.create_index("ix_case_status", "case_file", ["status", "opened_at"])
    op.create_index("ix_case_language", "case_file", ["language", "opened_at", "status", "owner_id"])
    op.create_index("ix_contact_arrived", "contact", ["arrived_at"])
    op.drop_index("ix_case_unclaimed", "case_file")


def downgrade() -> None:
    op.create_index("ix_case_unclaimed", "case_file", ["owner_id", "status", "opened_at"])
    op.drop_index("ix_contact_arrived", "contact")
    for name in ("language", "status", "owner", "opened", "open"):
        op.drop_index(f"ix_case_{name}", "case_file")
