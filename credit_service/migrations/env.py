"""Runs one chain of migrations on the connection it is given; alembic calls it."""

from alembic import context

from credit_service.migrations import version_table

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table=version_table(config.attributes["chain"]),
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
