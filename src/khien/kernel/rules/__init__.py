"""Legal rules as dated data, keyed by the decision that made them. Old cases keep the rule of their day.

`reads.on("tracing.infectious_window", day)` gives the rule in force that day. Seeds and their
sources: `rules/seed.json`.
"""
