from django.apps import AppConfig


class ResponseConfig(AppConfig):
    name = "khien.response"
    label = "response"

    def ready(self) -> None:
        from khien.response import protocol

        assert protocol.ACTOR.kind == "system"
