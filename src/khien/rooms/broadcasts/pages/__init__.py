"""The people's doors of the room."""

from django.urls import path

from khien.rooms.broadcasts.pages import approving, bulletins, messages, templates

app_name = "broadcasts"
urlpatterns = [
    path("", messages.index, name="index"),
    path("receipts/", messages.receipts, name="receipts"),
    path("templates/", messages.templates, name="templates"),
    path("templates/<slug:code>/", messages.template, name="template"),
    path("<int:pk>/", messages.broadcast, name="broadcast"),
    path("<int:pk>/requeue/", messages.requeue, name="requeue"),
    # Bulletins: writing, approving, templates
    path("b<int:pk>/", bulletins.short, name="short"),
    path("bulletins/", bulletins.index, name="bulletins"),
    path("bulletins/new/", bulletins.new, name="bulletin_new"),
    path("bulletins/templates/", templates.index, name="bulletin_templates"),
    path("bulletins/templates/new/", templates.template, name="bulletin_template_new"),
    path("bulletins/templates/<slug:code>/", templates.template, name="bulletin_template"),
    path("bulletins/test-numbers/", templates.test_numbers, name="test_numbers"),
    path("bulletins/<int:pk>/", bulletins.bulletin, name="bulletin"),
    path("bulletins/<int:pk>/edit/", bulletins.edit, name="bulletin_edit"),
    path("bulletins/<int:pk>/audience/", bulletins.audience, name="bulletin_audience"),
    path("bulletins/<int:pk>/test/", bulletins.test, name="bulletin_test"),
    path("bulletins/<int:pk>/sound/", bulletins.sound, name="bulletin_sound"),
    path("bulletins/<int:pk>/submit/", bulletins.submit, name="bulletin_submit"),
    path("bulletins/<int:pk>/final/", approving.final, name="bulletin_final"),
    path("bulletins/<int:pk>/<int:number>.mp3", approving.sound, name="bulletin_mp3"),
    path("bulletins/<int:pk>/review/", approving.review, name="bulletin_review"),
    path("bulletins/<int:pk>/reject/", approving.reject, name="bulletin_reject"),
    path("bulletins/<int:pk>/new-version/", bulletins.new_version, name="bulletin_new_version"),
    path("bulletins/<int:pk>/withdraw/", bulletins.withdraw, name="bulletin_withdraw"),
    path("bulletins/<int:pk>/start/", bulletins.start, name="bulletin_start"),
    path("bulletins/<int:pk>/log/", bulletins.log, name="bulletin_log"),
    path("bulletins/<int:pk>/<int:older>-<int:newer>/", bulletins.difference, name="bulletin_difference"),
    path("bulletins/<int:pk>/<int:number>/after-review/", approving.after_review, name="after_review"),
]
