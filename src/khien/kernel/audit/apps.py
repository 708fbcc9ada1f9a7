from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "khien.kernel.audit"
    label = "audit"

    def ready(self) -> None:
        from khien.kernel.audit import verbs
        from khien.kernel.registries import Holding, RetentionRule, Tick, holdings, retention, ticks

        ticks.add(
            "audit.seal", Tick(verbs.seal_lines, 1.0, "chain and sign the audit lines of the last second")
        )
        retention.add(
            "audit.lines", RetentionRule("Nhật ký truy cập", "retention.audit", verbs.forget_before)
        )
        # Lines go with their seal, so those of one seal wait for the youngest of them.
        holdings.add(
            "audit.seals",
            Holding(
                "audit.lines",
                "audit_seal",
                "sealed_at",
                "forgotten_at IS NULL AND NOT EXISTS (SELECT 1 FROM audit_auditline line"
                " WHERE line.seal_id = audit_seal.id AND line.recorded_at >= %(edge)s)",
            ),
        )
