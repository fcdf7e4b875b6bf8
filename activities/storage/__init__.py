"""The project's database: runs, usage, approvals and decisions, results by reference, and the ledger of effects.

SQLite by default, PostgreSQL by `PLANGATE_DATABASE_URL`; one schema (`tables`), one set of migrations, one `Store`.
May import: the standard library, SQLAlchemy, Alembic and `plangate`.
"""
