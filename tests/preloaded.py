"""All that takes long to import, and starts no thread: a fork would lose it.

The process that `processes.py` forks imports what the tests to run have not. Garbage collection has
nothing to find in it, and need not look through half a million objects in each fork.
"""
# ruff: noqa: E402, F401, I001

from __future__ import annotations

import gc

gc.disable()

import torch._export.serde.serialize
import lightning_demo.cli
import lightning_demo.engine.build
import lightning_demo.model.loading
import lightning_demo.model.sampling.sampler
import lightning_demo.web.server

from . import type_hints
from .web import fakes

gc.freeze()
gc.enable()
