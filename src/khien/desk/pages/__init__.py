"""The screens that cross rooms."""

from __future__ import annotations

from django.urls import path

from khien.desk.pages import board, deletions, entering, front, helping, people, residents

app_name = "desk"
urlpatterns = [
    path("", front.home, name="home"),
    path("sign-in/", residents.sign_in, name="resident_sign_in"),
    path("sign-in/code/", residents.sign_in_code, name="resident_code"),
    path("sign-in/who/", residents.sign_in_who, name="resident_who"),
    path("sign-in/identity/", entering.begin, name="identity"),
    path("sign-in/identity/back/", entering.back, name="identity_back"),
    path("sign-out/", residents.sign_out, name="resident_sign_out"),
    path("me/", residents.me, name="me"),
    path("me/places/", residents.my_places, name="my_places"),
    path("me/reads/", residents.my_reads, name="my_reads"),
    path("me/shared/", residents.share, name="share"),
    path("deletions/", deletions.log, name="deletions"),
    path("deletions.csv", deletions.log_csv, name="deletions_csv"),
    path("desk/", board.board, name="board"),
    path("desk/figures/<slug:name>.csv", board.figure_csv, name="figure"),
    path("desk/map/", board.unit_map, name="map"),
    path("desk/search/", people.search, name="search"),
    path("desk/people/<uuid:public_id>/", people.person, name="person"),
    path("desk/people/<uuid:public_id>/help/", helping.begin, name="help_begin"),
    path("desk/help/<int:help_id>/", helping.session, name="help"),
    path("desk/help/<int:help_id>/end/", helping.end, name="help_end"),
    path("desk/help/<int:help_id>/pass/", helping.paper_pass, name="help_pass"),
    path("desk/help/<int:help_id>/number/<int:document_id>/", helping.number, name="help_number"),
]
