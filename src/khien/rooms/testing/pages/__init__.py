"""The people's doors of the room."""

from django.urls import path

from khien.rooms.testing.pages import laboratory, lists, residents, sampling

app_name = "testing"
urlpatterns = [
    path("sampling/", sampling.sampling, name="sampling"),
    path("sampling/save/", sampling.save, name="save"),
    path("sampling/register/", sampling.register, name="register"),
    path("requests/", lists.requests, name="requests"),
    path("requests/<int:pk>/tube/", sampling.tube, name="tube"),
    path("requests/<int:pk>/cancel/", lists.cancel, name="cancel"),
    path("specimens/", lists.specimens, name="specimens"),
    path("specimens/<str:barcode>/", lists.specimen, name="specimen"),
    path("specimens/<str:barcode>/correct/", laboratory.correct, name="correct"),
    path("laboratory/", laboratory.laboratory, name="laboratory"),
    path("intake/", laboratory.intake, name="intake"),
    path("held/", laboratory.held, name="held"),
    path("held/<int:pk>/retry/", laboratory.retry, name="retry"),
    path("held/<int:pk>/dismiss/", laboratory.dismiss, name="dismiss"),
    path("my/", residents.my_tests, name="my"),
]
