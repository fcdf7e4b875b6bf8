"""The game day: `plangate demo --faults`. The example under a storm that a seed chooses, told line by line.

`weather` chooses what breaks, `happenings` reads what broke and what the system did about it, `telling` puts it in
words, `game_day` does it all, `verdict` asks the independent judge. May import what `client` may.
"""
