from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "khien.kernel.people"
    label = "people"
