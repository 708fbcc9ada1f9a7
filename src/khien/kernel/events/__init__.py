"""What happened: an outbox written in the act's own transaction, delivered at least once.

A room announces an event by `acts.record(..., event="case_opened")`; `response` subscribes::

    @on("result_recorded")
    def open_case_for_positive(event: EventFact) -> None: ...

A handler runs in a transaction of its own together with the mark that it has run, so its writes
happen once even when the delivery is repeated.
"""

from khien.kernel.events.registry import EventFact, declare, declared, handlers_of, on

__all__ = ["EventFact", "declare", "declared", "handlers_of", "on"]
