from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "khien.site"
    label = "khien_site"

    def ready(self) -> None:
        from khien.kernel.registries import RetentionCheck, Tick, retention_checks, ticks
        from khien.site import backup, sweeper

        ticks.add("jobs.sweep", Tick(sweeper.sweep, 5.0, "queue again the jobs of dead workers"))
        retention_checks.add("backups", RetentionCheck("retention.backups", backup.old_backups))
