from django.apps import AppConfig


class LanguageConfig(AppConfig):
    name = "khien.kernel.language"
    label = "language"
