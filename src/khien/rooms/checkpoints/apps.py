from django.apps import AppConfig


class CheckpointsConfig(AppConfig):
    name = "khien.rooms.checkpoints"
    label = "checkpoints"
