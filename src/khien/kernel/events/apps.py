from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "khien.kernel.events"
    label = "events"
