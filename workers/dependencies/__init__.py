"""`plangate dependencies`: what runs depend on, and the circuit breakers. On the worker's side: it needs the database.

May import everything but `client`.
"""
