"""No work in the background: listing is fast enough to be done while the tracer waits."""
