from django.apps import AppConfig


class PresenceConfig(AppConfig):
    name = "khien.kernel.presence"
    label = "presence"

    def ready(self) -> None:
        from khien.kernel.presence import proof
        from khien.kernel.registries import Holding, RetentionCheck, holdings, retention_checks

        holdings.add("presence.records", Holding("presence", "presence_record", "day"))
        holdings.add("presence.retractions", Holding("presence", "presence_retraction", "day"))
        retention_checks.add("presence.segments", RetentionCheck("retention.presence", proof.old_segments))
