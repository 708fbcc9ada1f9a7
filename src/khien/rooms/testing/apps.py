from django.apps import AppConfig


class TestingConfig(AppConfig):
    name = "khien.rooms.testing"
    label = "testing"

    def ready(self) -> None:
        from khien.rooms.testing import announce

        announce.announce()
