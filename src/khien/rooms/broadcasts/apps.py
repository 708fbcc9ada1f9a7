from django.apps import AppConfig


class BroadcastsConfig(AppConfig):
    name = "khien.rooms.broadcasts"
    label = "broadcasts"

    def ready(self) -> None:
        from khien.rooms.broadcasts import announce

        announce.announce()
