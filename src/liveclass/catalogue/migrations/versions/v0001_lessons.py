"""Lessons, their links and their recordings: the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("starts_at", moment, nullable=True),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_lessons"),
    )
    op.create_index("ix_lessons_state", "lessons", ["state"])
    op.create_index("ix_lessons_created_at_id", "lessons", ["created_at", "id"])
    op.create_table(
        "links",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("lesson_id", sa.String(12), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("revoked_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_links"),
        sa.ForeignKeyConstraint(["lesson_id"], ["lessons.id"], name="fk_links_lesson_id_lessons", ondelete="CASCADE"),
    )
    op.create_index("ix_links_lesson_id", "links", ["lesson_id"])
    op.create_table(
        "recordings",
        sa.Column("lesson_id", sa.String(12), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("duration_s", sa.Float(53), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(16), nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("lesson_id", name="pk_recordings"),
        sa.ForeignKeyConstraint(
            ["lesson_id"], ["lessons.id"], name="fk_recordings_lesson_id_lessons", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("recordings")
    op.drop_table("links")
    op.drop_table("lessons")
