from django.apps import AppConfig


class StandingConfig(AppConfig):
    name = "khien.kernel.standing"
    label = "standing"
