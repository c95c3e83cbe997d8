"""Many typists on GPUs that are not here: the scheduling code itself, on a virtual clock.

`clock` tells the time, `typing_user` types and keeps the rules of a live session, `gpu` does what
the engine's worker does with the seconds that `cost_models` say, `record` scores, `run` puts it
together. What decides, `engine.batching`, `engine.costs`, `engine.policy`, is not a model of the
real code but the real code. Nothing is random but the typists, and those follow from their seeds.
"""
