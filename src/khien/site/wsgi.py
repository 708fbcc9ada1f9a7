"""The web application, served by granian."""

import os

from django.core.wsgi import get_wsgi_application

from khien.engine.warming import warm_soon

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
application = get_wsgi_application()
warm_soon()
