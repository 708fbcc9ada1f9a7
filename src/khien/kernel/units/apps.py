from django.apps import AppConfig


class UnitsConfig(AppConfig):
    name = "khien.kernel.units"
    label = "units"
