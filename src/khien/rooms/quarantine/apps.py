from django.apps import AppConfig


class QuarantineConfig(AppConfig):
    name = "khien.rooms.quarantine"
    label = "quarantine"

    def ready(self) -> None:
        from khien.rooms.quarantine import announcements

        announcements.announce()
