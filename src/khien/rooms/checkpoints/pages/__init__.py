"""The person's doors: the gate, places and their posters, passes, devices, what was held."""

from django.urls import path

from khien.rooms.checkpoints.pages import at_place, coverage, devices, gate, held, passes, places, printing

app_name = "checkpoints"

urlpatterns = [
    path("scan/", gate.scan, name="scan"),
    path("at/<slug:code>/", at_place.at_place, name="at_place"),
    path("checked-in/<str:token>/", at_place.checked_in, name="checked_in"),
    path("pass/", passes.phone_pass, name="pass"),
    path("pass/key/", passes.phone_key, name="pass_key"),
    path("pass/state/", passes.phone_state, name="pass_state"),
    path("pass/phone/", passes.shell, name="pass_shell"),
    path("pass/worker.js", passes.worker, name="pass_worker"),
    path("passes/", passes.card_list, name="cards"),
    path("people/<uuid:public_id>/pass/", passes.paper_pass, name="paper_pass"),
    path("passes/<int:card_id>/revoke/", passes.revoke, name="revoke"),
    path("places/", places.place_list, name="places"),
    path("places/new/", places.place_new, name="place_new"),
    path("places/<int:place_id>/", places.place_page, name="place"),
    path("places/<int:place_id>/edit/", places.place_edit, name="place_edit"),
    path("places/<int:place_id>/state/", places.place_state, name="place_state"),
    path("places/<int:place_id>/poster.pdf", places.place_poster, name="poster"),
    path("places/<int:place_id>/poster/", printing.print_poster, name="poster_print"),
    path("places/<int:place_id>/poster/lost/", printing.report_poster, name="poster_lost"),
    path("coverage/", coverage.overview, name="coverage"),
    path("coverage/<int:unit_id>/", coverage.unit_page, name="coverage_unit"),
    path("coverage.csv", coverage.table, name="coverage_csv"),
    path("coverage/silent/", coverage.silent, name="silent"),
    path("prints/", printing.run_list, name="prints"),
    path("prints/new/<slug:kind>/", printing.order, name="print_order"),
    path("prints/<int:run_id>/", printing.run_page, name="print_run"),
    path("prints/<int:run_id>/turn/", printing.turn, name="print_turn"),
    path("prints/<int:run_id>/all.zip", printing.all_parts, name="print_zip"),
    path("prints/<int:run_id>/<int:number>.pdf", printing.part_file, name="print_part"),
    path("devices/", devices.device_list, name="devices"),
    path("devices/<int:device_id>/state/", devices.device_state, name="device_state"),
    path("held/", held.held, name="held"),
    path("held/<int:held_id>/settle/", held.settle, name="settle"),
]
