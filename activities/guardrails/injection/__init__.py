"""Screening of requests for prompt injection: the outer fence, made of words.

It reads a text (`reading`) as words and as a string of concepts (`concepts`, with the words of `lexicon` and `terms`, also
behind `masks`), and looks for patterns of attacks in it (`rules`: `instructions`, `imitations`, `wishes`) and in what is
encoded in it (`decoding`); `screening` adds up the points. Patterns are tried only where `phrases` and `runs` say that
they can match. It never says that a text is safe: what keeps a planner that was taken in from doing harm is the scope, the
gates and the flow of information. May import: plangate, `activities.guardrails`.
"""
