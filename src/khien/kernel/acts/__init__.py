"""How anything is written: a verb is one act in one transaction, with its event and its audit line.

::

    @verb(Role.LABORATORY, Role.SAMPLER)
    def record_result(actor: Actor, *, specimen: Specimen, value: str) -> Result:
        '''Record the result of a specimen.'''
        actor.must_cover(specimen.unit)
        result = Result.objects.create(...)
        record(actor, result, persons=[specimen.person_id],
               event="result_recorded", payload={"result": result.pk, "positive": ...})
        return result

`verb` opens the transaction, refuses an actor without one of the roles, names the act after the
room and the function ("testing.record_result"), and fails when the function returns without having
recorded anything (or said `unchanged()`). A verb may call another: both record, one transaction holds them.

Reads of personal data say so: `read(actor, "desk.person_page", persons=[person.pk])`.
"""

from khien.kernel.acts.verb import all_verbs, read, record, unchanged, verb

__all__ = ["all_verbs", "read", "record", "unchanged", "verb"]
