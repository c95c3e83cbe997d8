"""The words that a model knows, for people and for programs."""

from __future__ import annotations

import logging

from ..model.weights.checkpoints import MODELS
from ..model.weights.model_spec import Vocabulary

log = logging.getLogger(__name__)


def vocabulary(model: str) -> Vocabulary:
    """The model's words; none when its files are damaged, which the engine has words for."""
    try:
        return MODELS[model].vocabulary()
    except (OSError, ValueError, LookupError) as problem:
        log.warning("the words of %s cannot be read: %s", model, problem)
        return Vocabulary({}, ())
