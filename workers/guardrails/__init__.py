"""`plangate guardrails`: every guardrail, and how often it said what. On the worker's side: it needs the database.

May import everything but `client`.
"""
