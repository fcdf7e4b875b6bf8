"""`plangate check`: what would be said of a plan, without running anything. On the worker's side: it loads agents.

May import everything but `client`.
"""
