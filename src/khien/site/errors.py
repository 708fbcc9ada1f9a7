"""What is answered at an address that there is not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found

from khien.kernel.errors import NotFound

API = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page for people; for machines the problem as every other one."""
    if request.path_info.startswith(API):
        return JsonResponse(NotFound().as_dict(), status=NotFound.status)
    return page_not_found(request, exception)
