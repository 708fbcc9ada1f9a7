from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "khien.site"
    label = "khien_site"

    def ready(self) -> None:
        from khien.kernel.registries import Tick, ticks
        from khien.site import sweeper

        ticks.add("jobs.sweep", Tick(sweeper.sweep, 5.0, "queue again the jobs of dead workers"))
