from django.apps import AppConfig


class FormsConfig(AppConfig):
    name = "khien.kernel.forms"
    label = "kernel_forms"
