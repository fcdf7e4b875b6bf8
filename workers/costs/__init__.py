"""`plangate cost` and `plangate budget`: what models cost, and what may be spent. On the worker's side: they need the
database.

May import everything but `client`.
"""
