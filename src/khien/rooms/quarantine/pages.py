from __future__ import annotations

app_name = "quarantine"
urlpatterns: list = []
