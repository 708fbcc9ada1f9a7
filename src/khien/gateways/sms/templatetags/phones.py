"""Phone numbers on pages: `{% load phones %}{{ number|phone }}` writes `0912 345 678`."""

from django import template

from khien.kernel.people.phones import display

register = template.Library()
register.filter("phone", display)
