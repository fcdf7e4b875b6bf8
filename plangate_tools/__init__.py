"""Ready-made tools for agents, to import in their `tools.py`: `from plangate_tools import fetch_url`.

May import: `plangate`. Nothing of Plangate imports it.
"""

from plangate_tools.fetching import Fetcher, Page, fetch_url

__all__ = ["Fetcher", "Page", "fetch_url"]
