from django.apps import AppConfig


class BroadcastsConfig(AppConfig):
    name = "khien.rooms.broadcasts"
    label = "broadcasts"
