from django.apps import AppConfig


class TracingConfig(AppConfig):
    name = "khien.rooms.tracing"
    label = "tracing"
