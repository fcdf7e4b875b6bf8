"""Agent folders, read: `load_agent` for one, `Catalogue` for all that a worker serves.

Every mistake of a folder is reported at once, with its file and line. May import: plangate, PyYAML.
"""

from __future__ import annotations

from activities.catalogue.catalogue import Catalogue, agent_folders, agents_folder
from activities.catalogue.loading import LoadedAgent, load_agent
from activities.catalogue.problems import BrokenAgent

__all__ = ["BrokenAgent", "Catalogue", "LoadedAgent", "agent_folders", "agents_folder", "load_agent"]
