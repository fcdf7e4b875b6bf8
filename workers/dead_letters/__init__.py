"""`plangate dead-letters`: list, show, resolve, resume, discard, sweep. On the worker's side: it needs the database.

May import everything but `client`.
"""
