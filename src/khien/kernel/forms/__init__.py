"""Forms as dated data: a JSON Schema says what an answer is, a UI schema how it is asked; drawn and read on the server.

`spec.compiled(schema, ui)` checks both once; `Sheet(spec, data=request.POST)` or `Sheet(spec, value={…})` draws the
questions (`{% include "forms/sheet.html" %}`) and gives the answers as JSON. README.md has the two formats.
"""
