"""Texts to measure guardrails on, generated from a seed. Nothing here is imported by the product.

Every corpus has two sets of templates: `tuned`, which the rules were written against, and `held_out`, which were written
once, before the rules were run on them, and never used to change a rule. The tables report both.
"""
