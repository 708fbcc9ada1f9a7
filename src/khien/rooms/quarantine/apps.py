from django.apps import AppConfig


class QuarantineConfig(AppConfig):
    name = "khien.rooms.quarantine"
    label = "quarantine"
