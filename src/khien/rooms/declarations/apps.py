from django.apps import AppConfig


class DeclarationsConfig(AppConfig):
    name = "khien.rooms.declarations"
    label = "declarations"

    def ready(self) -> None:
        from khien.rooms.declarations import announcements

        announcements.announce()
