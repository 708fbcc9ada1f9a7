"""The people's doors of the room."""

from django.urls import path

from khien.rooms.broadcasts.pages import campaigns, messages

app_name = "broadcasts"
urlpatterns = [
    path("", messages.index, name="index"),
    path("receipts/", messages.receipts, name="receipts"),
    path("templates/", messages.templates, name="templates"),
    path("templates/<slug:code>/", messages.template, name="template"),
    path("campaigns/", campaigns.index, name="campaigns"),
    path("campaigns/<int:pk>/", campaigns.campaign, name="campaign"),
    path("campaigns/<int:pk>/units.csv", campaigns.units, name="campaign_units"),
    path("campaigns/<int:pk>/pause/", campaigns.pause, name="campaign_pause"),
    path("campaigns/<int:pk>/resume/", campaigns.resume, name="campaign_resume"),
    path("campaigns/<int:pk>/cancel/", campaigns.cancel, name="campaign_cancel"),
    path("campaigns/<int:pk>/resend/", campaigns.resend, name="campaign_resend"),
    path("switch/", campaigns.switch, name="switch"),
    path("<int:pk>/", messages.broadcast, name="broadcast"),
    path("<int:pk>/requeue/", messages.requeue, name="requeue"),
]
