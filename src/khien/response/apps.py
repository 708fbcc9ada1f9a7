from django.apps import AppConfig


class ResponseConfig(AppConfig):
    name = "khien.response"
    label = "response"
