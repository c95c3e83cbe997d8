"""Many typists on GPUs that are not here: the engine's core and the live session in virtual time.

`virtual_loop` is an event loop whose seconds cost nothing, `engine` the real core with a device
that only says how long it takes (`device_model`), `crowd` people who type at the real
`LiveSession`. Nothing is random but the typists, and those follow from their seeds.
"""
