"""`plangate up`: one process that owns a data folder and keeps the embedded system on it running.

`folder` is the data folder, `processes` and `guard` keep children alive and never orphaned, `environment` says what
they are told, `system` starts and ends them in order, `report` talks to people. May import: workers, activities,
plangate.
"""
