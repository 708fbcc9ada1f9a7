from django.apps import AppConfig


class ClockConfig(AppConfig):
    name = "khien.kernel.clock"
    label = "clock"
