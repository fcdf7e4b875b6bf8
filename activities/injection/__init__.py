"""Faults on purpose: the fault plan that is in force, its journal, and where it strikes in a worker and on far sides.

Nothing here runs unless `PLANGATE_FAULTS` and `PLANGATE_FAULTS_ENABLED` are both set (docs/fault-injection.md).
May import `plangate` and the rest of `activities`; companions of agents (`services.py`) may import `enabling`,
`far_side` and `smtp`.
"""
