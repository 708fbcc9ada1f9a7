"""The people's doors of the room."""

from django.urls import path

from khien.rooms.broadcasts.pages import messages

app_name = "broadcasts"
urlpatterns = [
    path("", messages.index, name="index"),
    path("receipts/", messages.receipts, name="receipts"),
    path("templates/", messages.templates, name="templates"),
    path("templates/<slug:code>/", messages.template, name="template"),
    path("<int:pk>/", messages.broadcast, name="broadcast"),
    path("<int:pk>/requeue/", messages.requeue, name="requeue"),
]
