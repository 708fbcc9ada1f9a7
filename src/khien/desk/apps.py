from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "khien.desk"
    label = "desk"
