"""`plangate credentials`: agents' credentials, never their values. On the worker's side: it needs the database.

May import everything but `client`.
"""
