"""Health certificates (HC1: vaccination, test, recovery): verified against a trust list, and issued.

`hc1` is the container, `contents` what may stand in it, `trust` whose signatures count, `ours` our own key.
"""
