"""The people's doors of the room."""

from django.urls import path

from khien.rooms.declarations.pages import areas, codes, entering, helping, officers, sheets

app_name = "declarations"
urlpatterns = [
    path("", entering.index, name="index"),
    path("new/<slug:key>/", entering.new, name="new"),
    path("done/", entering.done, name="done"),
    path("communes/", entering.communes, name="communes"),
    path("sw.js", entering.worker, name="worker"),
    path("find/", codes.find, name="find"),
    path("opened/", codes.opened, name="opened"),
    path("again/<slug:key>/", codes.again, name="again"),
    path("code/", codes.at_gate, name="code"),
    path("mine/", entering.mine, name="mine"),
    path("help/<slug:key>/", helping.helping, name="help"),
    path("paper/<slug:key>/", helping.paper, name="paper"),
    path("poster/", helping.poster, name="poster"),
    path("inbox/", officers.inbox, name="inbox"),
    path("tasks/<int:pk>/", officers.task, name="task"),
    path("list/", officers.listed, name="list"),
    path("list/counts.csv", officers.counts_csv, name="counts"),
    path("list/<int:pk>/", officers.declaration, name="declaration"),
    path("held/", officers.held, name="held"),
    path("held/<int:pk>/", officers.compare, name="compare"),
    path("areas/", areas.areas, name="areas"),
    path("areas/<int:pk>/end/", areas.end, name="area_end"),
    path("sheets/", sheets.sheets, name="sheets"),
    path("sheets/template.xlsx", sheets.template, name="template"),
    path("sheets/rows/<int:pk>/", sheets.mend, name="mend"),
    path("companies/", sheets.companies, name="companies"),
    path("companies/<int:pk>/close/", sheets.close, name="company_close"),
    path("company/", sheets.company_sheet, name="company_sheet"),
    path("company/<str:token>/", sheets.company, name="company"),
]
