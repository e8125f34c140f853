"""Ids and words are compared by their bytes on PostgreSQL, as SQLite does: the same pages everywhere.

An index in the system's collation can break silently when the C library below it is upgraded.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = (
    ("lessons", "id", 12),
    ("lessons", "state", 16),
    ("links", "lesson_id", 12),
    ("links", "role", 16),
    ("recordings", "lesson_id", 12),
    ("recordings", "state", 16),
    ("recordings", "problem", 16),
)


def upgrade() -> None:
    _collate("C")


def downgrade() -> None:
    _collate("default")


def _collate(collation: str) -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    keys = (("links", "fk_links_lesson_id_lessons"), ("recordings", "fk_recordings_lesson_id_lessons"))
    for table, name in keys:  # both sides of a key must agree, and change one after the other
        op.drop_constraint(name, table, type_="foreignkey")
    for table, column, length in COLUMNS:
        op.alter_column(table, column, type_=sa.String(length, collation=collation), existing_nullable=False)
    for table, name in keys:
        op.create_foreign_key(name, table, "lessons", ["lesson_id"], ["id"], ondelete="CASCADE")
