"""ASKS: the typed client and the `plangate` command line.

Knows runs by name and contract only. May import `plangate` and third-party packages; never workers, workflows or
activities: those are started as processes of their own.
"""
