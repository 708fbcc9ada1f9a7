"""The screens that cross rooms."""

from __future__ import annotations

from django.urls import path

from khien.desk.pages import board, front, people, residents

app_name = "desk"
urlpatterns = [
    path("", front.home, name="home"),
    path("sign-in/", residents.sign_in, name="resident_sign_in"),
    path("sign-in/code/", residents.sign_in_code, name="resident_code"),
    path("sign-in/who/", residents.sign_in_who, name="resident_who"),
    path("sign-out/", residents.sign_out, name="resident_sign_out"),
    path("me/", residents.me, name="me"),
    path("me/reads/", residents.my_reads, name="my_reads"),
    path("desk/", board.board, name="board"),
    path("desk/figures/<slug:name>.csv", board.figure_csv, name="figure"),
    path("desk/map/", board.unit_map, name="map"),
    path("desk/search/", people.search, name="search"),
    path("desk/people/<uuid:public_id>/", people.person, name="person"),
]
