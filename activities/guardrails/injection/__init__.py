"""Screening of requests for prompt injection: the outer fence, made of words.

It reads a text as a string of concepts (`lexicon`, `concepts`), looks for patterns of attacks in it and in what is
encoded in it (`decoding`, `rules`), and adds up points (`screening`). It never says that a text is safe: what keeps a
planner that was taken in from doing harm is the scope, the gates and the flow of information. May import: plangate,
`activities.guardrails`.
"""
