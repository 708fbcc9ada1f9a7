from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "khien.kernel.audit"
    label = "audit"
