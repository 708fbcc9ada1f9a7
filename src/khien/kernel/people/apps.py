from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "khien.kernel.people"
    label = "people"

    def ready(self) -> None:
        from khien.kernel.people import (
            events,  # noqa: F401 - declares its events
            registers,
        )
        from khien.kernel.people.references import refers_to_person

        refers_to_person("presence.PresenceRecord", "person_id", ("day", "id"))
        registers.announce()
