"""DOES: every effect. Models, tools, storage, and the checks that need them, as Temporal activities.

May import `plangate` and third-party packages; never `workflows`, `workers` or `client`.
"""
