from django.apps import AppConfig


class PresenceConfig(AppConfig):
    name = "khien.kernel.presence"
    label = "presence"
