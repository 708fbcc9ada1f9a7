"""The people's doors of the room."""

from django.urls import path

from khien.rooms.broadcasts.pages import inbound, messages, outlets, stations

app_name = "broadcasts"
urlpatterns = [
    path("", messages.index, name="index"),
    path("receipts/", messages.receipts, name="receipts"),
    path("templates/", messages.templates, name="templates"),
    path("templates/<slug:code>/", messages.template, name="template"),
    path("<int:pk>/", messages.broadcast, name="broadcast"),
    path("<int:pk>/requeue/", messages.requeue, name="requeue"),
    # What people write to us, and the channels.
    path("inbound/", inbound.inbox, name="inbound"),
    path("articles/", outlets.articles, name="articles"),
    path("alerts/", outlets.alerts, name="alerts"),
    path("push/", outlets.push, name="push"),
    path("stations/", stations.stations, name="stations"),
    path("stations/new/", stations.edit, name="station_new"),
    path("stations/<int:pk>/", stations.station, name="station"),
    path("stations/<int:pk>/edit/", stations.edit, name="station_edit"),
    path("stations/<int:pk>/token/", stations.token, name="station_token"),
    path("stations/plays/<int:pk>/", stations.play, name="play"),
    path("stations/plays/<int:pk>/script.pdf", stations.play_script, name="play_script"),
    path("stations/bulletins/<int:pk>/", stations.bulletin, name="plays"),
]
