from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "khien.kernel.staff"
    label = "staff"

    def ready(self) -> None:
        from khien.kernel.staff import registers

        registers.announce()
