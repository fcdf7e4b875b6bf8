"""The schema, the same on SQLite and PostgreSQL. Migrations in `migrations/versions` lead to exactly this."""

from activities.storage.tables.columns import AnyText, UtcDateTime, metadata
from activities.storage.tables.cost_tables import accounts, alerts, budgets, model_cache, reservations
from activities.storage.tables.dependency_tables import credentials, dependencies, lines, places, response_drifts
from activities.storage.tables.run_tables import (
    approvals,
    dead_letters,
    decisions,
    ledger,
    results,
    runs,
    usage,
    verdicts,
)

__all__ = [
    "AnyText",
    "UtcDateTime",
    "accounts",
    "alerts",
    "approvals",
    "budgets",
    "credentials",
    "dead_letters",
    "decisions",
    "dependencies",
    "ledger",
    "lines",
    "metadata",
    "model_cache",
    "places",
    "reservations",
    "response_drifts",
    "results",
    "runs",
    "usage",
    "verdicts",
]
