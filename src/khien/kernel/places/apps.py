from django.apps import AppConfig


class PlacesConfig(AppConfig):
    name = "khien.kernel.places"
    label = "places"
