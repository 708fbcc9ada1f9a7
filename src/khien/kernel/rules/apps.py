from django.apps import AppConfig


class RulesConfig(AppConfig):
    name = "khien.kernel.rules"
    label = "rules"
