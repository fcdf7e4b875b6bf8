"""Deterministic Temporal workflows: they decide what runs, when, and who must agree.

No I/O, no clock, no random ids. May import `plangate` and temporalio; activities are called by name.
"""
