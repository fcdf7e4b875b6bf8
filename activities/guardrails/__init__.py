"""Guardrails: what an agent may take in, do and say, each one function and one line in `registry`.

Pure rules over texts and calls, and the corpora and patterns they need; workflows never import them, they get verdicts
as results of activities. May import: plangate, `activities.models` (token counts, prices), `activities.storage`.
"""
