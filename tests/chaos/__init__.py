"""Chaos: the real system, killed again and again while people's money is on its way, and a checker that counts.

`cases` says what is asked, `folder` makes the agent's far side slow, `system` runs and kills processes, `driving` asks
and approves, `killing` chooses the moments, `records` and `checker` read what happened, `run` is the program.
The checker shares no code with the product: it reads the far sides' own files, the database by SQL, and Temporal.
"""
