"""Contender (c): pydantic-ai with its Temporal durability, five function tools."""
