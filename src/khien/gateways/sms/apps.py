from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "khien.gateways.sms"
    label = "sms"
