"""Proofs about information flow: a planner in an attacker's hands, and poisoned data. See docs/information-flow.md."""
