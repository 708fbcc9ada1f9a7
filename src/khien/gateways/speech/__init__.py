"""Speech for loudspeakers: a text becomes an MP3, a person's own recording is checked, a script is printed.

`speaking.engine()` is the engine of this installation, `recordings.check` takes a recording instead, `script.pdf_of`
prints what old stations read aloud. There is no simulated engine: without one the answer is a problem with a way out.
"""
