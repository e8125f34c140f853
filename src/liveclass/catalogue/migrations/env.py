"""Where Alembic comes in: runs the migrations on the connection it is given (`catalogue.database.migrate`).

Knows neither URL nor settings. Without a connection it prints SQL for PostgreSQL, for those whose tables a database
administrator makes.
"""

from alembic import context

from liveclass.catalogue.models import Base

connection = context.config.attributes.get("connection")

if connection is None:
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
else:
    # Batch mode lets later migrations alter SQLite's tables, which know no ALTER COLUMN.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)

with context.begin_transaction():
    context.run_migrations()
