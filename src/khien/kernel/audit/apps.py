from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "khien.kernel.audit"
    label = "audit"

    def ready(self) -> None:
        from khien.kernel.audit import verbs
        from khien.kernel.registries import RetentionRule, Tick, retention, ticks

        ticks.add(
            "audit.seal", Tick(verbs.seal_lines, 1.0, "chain and sign the audit lines of the last second")
        )
        retention.add(
            "audit.lines", RetentionRule("Nhật ký truy cập", "retention.audit", verbs.forget_before)
        )
