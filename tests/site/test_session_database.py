"""The test session runs on a real PostgreSQL."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_session_has_postgresql():
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        assert cursor.fetchone()[0].startswith("PostgreSQL")
