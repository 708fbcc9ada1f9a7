from django.apps import AppConfig


class CheckpointsConfig(AppConfig):
    name = "khien.rooms.checkpoints"
    label = "checkpoints"

    def ready(self) -> None:
        from khien.rooms.checkpoints import announcements, events  # noqa: F401

        announcements.announce()
