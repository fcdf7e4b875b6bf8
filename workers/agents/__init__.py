"""`plangate agents …` and `plangate plan validate`: what needs the agents' code, so not in the client.

The client runs `python -m workers.agents` with the arguments that it got. May import: plangate, activities, workers.
"""
