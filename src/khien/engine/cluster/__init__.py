"""The store beyond one machine, shared out by place: a search exchanges only who may have been infected, and when.

Where two people met, their stays lie in the same shard, so every shard answers for its own places by itself and what
they say is put together (`snapshot.ClusterSnapshot`, which answers as `khien.engine.Snapshot` does). Between two hops
travels the frontier: persons with the times in which they may infect, 12 octets each.

A shard (`shard.Shard`) is a plain object over a folder; `hosts.Local` keeps several in this process, `actors.connect`
as Ray actors, each on the machine that has its folder. Only `actors` imports Ray.
"""
