"""Credentials by name: obtained when they are needed, refreshed once for all, masked wherever text leaves the worker.

May import: `activities.storage`, `activities.faults`, `activities.catalogue`, `plangate`.
"""
