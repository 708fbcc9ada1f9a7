"""The living demo: Hà Nam with synthetic people, an epidemic among them, and staff who answer it.

`load.prepare` fills an empty installation with the first days; `live.run` goes on hour by hour. Everything
enters by the same verbs as in a real installation; only the faces are invented (`khien.simulation`).
"""
