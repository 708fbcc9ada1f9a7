"""The person's doors: the gate, places and their posters, passes, devices, what was held."""

from django.urls import path

from khien.rooms.checkpoints.pages import app, devices, gate, held, passes, places, typed

app_name = "checkpoints"

urlpatterns = [
    path("scan/", gate.scan, name="scan"),
    path("gate/", app.gate, name="gate"),
    path("gate/sw.js", app.service_worker, name="gate_worker"),
    path("gate/manifest.webmanifest", app.manifest, name="gate_manifest"),
    path("gate/app/<slug:version>/<path:name>", app.asset, name="gate_asset"),
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
    path("typed/", typed.typed_list, name="typed"),
    path("typed/<int:typed_id>/settle/", typed.typed_settle, name="typed_settle"),
    path("held/", held.held, name="held"),
    path("held/<int:held_id>/settle/", held.settle, name="settle"),
]
