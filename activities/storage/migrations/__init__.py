"""Alembic's environment and revisions; `activities.storage.migrate` runs them."""
