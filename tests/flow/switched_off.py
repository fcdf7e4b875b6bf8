"""The test of the proof: the same system without the rules of information flow."""

from __future__ import annotations

from activities.guardrails import registry

NO_FLOW = tuple(guard for guard in registry.ACTION if guard.name != "action.flow")
"""In the place of the registry's line-up for calls, which binding and the tool's activity both ask."""
