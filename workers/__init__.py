"""HOSTS: processes. The worker, the embedded system and its supervisor, the offline model, and the host-side commands.

May import `workflows`, `activities` and `plangate`; never `client`, which starts these processes by name.
"""
