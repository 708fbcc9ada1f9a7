"""The person's doors: the gate, places and their posters, passes, devices, what was held."""

from django.urls import path

from khien.rooms.checkpoints.pages import devices, gate, held, passes, places

app_name = "checkpoints"

urlpatterns = [
    path("scan/", gate.scan, name="scan"),
    path("at/<slug:code>/", gate.at_place, name="at_place"),
    path("pass/", passes.phone_pass, name="pass"),
    path("people/<uuid:public_id>/pass/", passes.paper_pass, name="paper_pass"),
    path("passes/<int:card_id>/revoke/", passes.revoke, name="revoke"),
    path("places/", places.place_list, name="places"),
    path("places/new/", places.place_new, name="place_new"),
    path("places/<int:place_id>/", places.place_page, name="place"),
    path("places/<int:place_id>/edit/", places.place_edit, name="place_edit"),
    path("places/<int:place_id>/state/", places.place_state, name="place_state"),
    path("places/<int:place_id>/poster.pdf", places.place_poster, name="poster"),
    path("devices/", devices.device_list, name="devices"),
    path("devices/<int:device_id>/state/", devices.device_state, name="device_state"),
    path("held/", held.held, name="held"),
    path("held/<int:held_id>/settle/", held.settle, name="settle"),
]
