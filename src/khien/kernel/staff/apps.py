from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "khien.kernel.staff"
    label = "staff"
