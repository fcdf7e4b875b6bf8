"""Contender (b): the OpenAI Agents SDK with Temporal's plugin, five activities as its tools."""
