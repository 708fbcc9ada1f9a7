from django.apps import AppConfig


class TestingConfig(AppConfig):
    name = "khien.rooms.testing"
    label = "testing"
