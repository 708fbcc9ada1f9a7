"""A worker knows the tasks of every app."""

from django.apps import apps
from procrastinate.contrib.django import app

from khien.site import settings


def test_the_tasks_of_every_room_are_known():
    found = {task.func.__module__ for task in app.tasks.values()}
    assert "khien.kernel.events.jobs" in found
    for room in settings.ROOMS:
        jobs = f"{room}.jobs"
        module = __import__(jobs, fromlist=["_"])
        declares = any(getattr(value, "func", None) is not None for value in vars(module).values())
        assert jobs in found or not declares
    assert apps.ready
