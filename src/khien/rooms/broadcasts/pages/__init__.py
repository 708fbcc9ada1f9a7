"""The people's doors of the room."""

from django.urls import path

from khien.rooms.broadcasts.pages import audiences, campaigns, carriers, messages, numbers, orders

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
urlpatterns += [
    path("audiences/", audiences.audiences, name="audiences"),
    path("audiences/new/", audiences.new_audience, name="new_audience"),
    path("audiences/filters/", audiences.audience_filters, name="audience_filters"),
    path("audiences/preview/", audiences.audience_preview, name="audience_preview"),
    path("audiences/<int:pk>/", audiences.audience, name="audience"),
    path("audiences/<int:pk>/change/", audiences.change_audience, name="change_audience"),
    path("carriers/", carriers.carriers, name="carriers"),
    path("carriers/new/", carriers.new_carrier, name="new_carrier"),
    path("carriers/ported/", carriers.ported_numbers, name="ported"),
    path("carriers/ported/<int:pk>/dismiss/", carriers.dismiss_ported, name="dismiss_ported"),
    path("carriers/<slug:code>/", carriers.carrier, name="carrier"),
    path("numbers/", numbers.numbers, name="numbers"),
    path("orders/", orders.orders, name="orders"),
    path("orders/<int:pk>/", orders.order, name="order"),
    path("orders/<int:pk>/packet/", orders.packet, name="order_packet"),
    path("orders/<int:pk>/letter/", orders.letter, name="order_letter"),
    path("orders/key/", orders.key, name="order_key"),
]
