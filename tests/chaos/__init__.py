"""Chaos: the real system, broken in every way we know while people's money is on its way, and a checker that counts.

`matrix` says what is broken how often, `run` plays it, `report` prints the table. A `scene` is a fresh system (`rig`:
server, far side, workers that a `nursery` forks), a crowd of customers and approvers (`cases`, `people`), a fault
(`deaths`, `zombies`, `models`, `deciding`, `clocks`, `large`), and the judgement of `checker` on what `records` reads.
The checker shares no code with the product: it reads the far sides' own files, the database by SQL, and Temporal.
"""
