"""How Django draws forms: by the theme's partials, so that `{{ form }}` looks right everywhere."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class ThemeRenderer(TemplatesSetting):
    form_template_name = "partials/form.html"
    field_template_name = "partials/field.html"
