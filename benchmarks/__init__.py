"""The benchmark: Plangate against plain Temporal and its peers, on one server and one fake model.

Lives in its own project and environment, so that the peers never enter the product's. Imports nothing of the product
except in `contenders/plangate`; run it with `python -m benchmarks.run` from the repository's root.
"""
