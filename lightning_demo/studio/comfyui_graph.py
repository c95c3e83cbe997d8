"""What a ComfyUI graph asks for: prompts, seed, steps, guidance and size, whatever its nodes.

The graph is the one that ComfyUI's server ran, as it stands in a picture's `prompt`. Nodes are
known by the names of their inputs, not by their classes, of which there are thousands: a sampler
has conditionings (or a guider) and a seed (or noise); what it is given is found by following links
back. It is a stranger's: of any shape, with circles in it, and looked at within bounds. The page
has the same in `comfyui_graph.js`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias, TypeGuard

from ..comfyui import of_weighted

Graph: TypeAlias = dict[str, dict[str, Any]]  # the inputs of each node by its id

MAX_NODES = 2000
MAX_INPUTS = 100  # of a node, looked at
MAX_SAMPLERS = 20  # the same; of a workflow that refines or enlarges there are two or three
NEAR = 300  # nodes looked at before a sampler
NEXT = 20  # and for a single value

LATENTS = ("latent_image", "latent", "samples")
# Inputs in which a value itself stands, after those with its own name.
TEXTS = ("text", "text_g", "prompt", "string", "value", "text_l", "t5xxl", "clip_l")
NUMBERS = ("value", "int", "number", "float")


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """What a graph says; None where it says nothing."""

    prompt: str
    negative_prompt: str
    num_inference_steps: int | None = None
    guidance_scale: float | None = None  # ComfyUI's cfg: 1 is none
    seed: int | None = None
    width: int | None = None  # px
    height: int | None = None
    sampler: str = ""
    scheduler: str = ""
    checkpoint: str = ""


def read_graph(text: str) -> GraphSettings | None:
    """The settings in a graph as JSON; None where it is none, or paints nothing."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or len(content) > MAX_NODES:
        return None
    graph = {name: _inputs(node) for name, node in content.items() if _is_node(node)}
    sampler = _first_sampler(graph)
    return None if sampler is None else _settings(graph, sampler)


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("inputs"), dict)


def _inputs(node: dict[str, Any]) -> dict[str, Any]:
    """A node's inputs; none of the one that makes nothing of a text."""
    if node.get("class_type") == "ConditioningZeroOut":
        return {}
    return dict(islice(node["inputs"].items(), MAX_INPUTS))


def _first_sampler(graph: Graph) -> str | None:
    """The sampler that begins with noise: the others go on with what it has made."""
    samplers = [name for name, inputs in graph.items() if _samples(inputs)][:MAX_SAMPLERS]
    for name in samplers:
        before = {each for each, _ in _upstream(graph, name, LATENTS)}
        if not before & (set(samplers) - {name}) and _prompt(graph, name, "positive"):
            return name
    return samplers[0] if samplers else None


def _samples(inputs: dict[str, Any]) -> bool:
    guided = _is_link(inputs.get("positive")) or _is_link(inputs.get("guider"))
    return guided and any(name in inputs for name in ("seed", "noise_seed", "noise"))


def _settings(graph: Graph, sampler: str) -> GraphSettings:
    def number(names: tuple[str, ...], through: tuple[str, ...] = ()) -> Any:
        return _value(graph, sampler, names, through, _is_number)

    def word(names: tuple[str, ...], through: tuple[str, ...]) -> str:
        return _value(graph, sampler, names, through, _is_text) or ""

    steps, seed = number(("steps",), ("sigmas",)), number(("seed", "noise_seed"), ("noise",))
    width, height = _size(graph, sampler)
    return GraphSettings(
        _prompt(graph, sampler, "positive"),
        _prompt(graph, sampler, "negative"),
        None if steps is None else int(steps),
        number(("cfg",), ("guider",)),
        None if seed is None else int(seed),
        width,
        height,
        word(("sampler_name",), ("sampler",)),
        word(("scheduler",), ("sigmas",)),
        word(("ckpt_name", "unet_name"), ("model", "guider")),
    )


def _prompt(graph: Graph, sampler: str, which: str) -> str:
    """The text nearest before one of a sampler's conditionings."""
    given = graph[sampler]
    if _is_link(guider := given.get("guider")):
        given = graph.get(guider[0], {})
    link = given.get(which) or (given.get("conditioning") if which == "positive" else None)
    for _, inputs in _behind(graph, [link], which):
        for field in (which, *TEXTS):
            text = _resolved(graph, inputs.get(field), TEXTS, _is_text)
            if text is not None:
                return of_weighted(text)
    return ""


def _size(graph: Graph, sampler: str) -> tuple[int, int] | tuple[None, None]:
    """Width and height of the latent that a sampler begins with."""
    for _, inputs in _upstream(graph, sampler, LATENTS):
        sides: list[Any] = [
            _resolved(graph, inputs.get(side), (side, *NUMBERS), _is_number)
            for side in ("width", "height")
        ]
        if all(side is not None and side >= 1 for side in sides):
            return int(sides[0]), int(sides[1])
    return None, None


def _value(
    graph: Graph,
    sampler: str,
    names: tuple[str, ...],
    through: tuple[str, ...],
    good: Callable[[Any], bool],
) -> Any:
    """The first good value of these names: the sampler's own, or of what comes before it."""
    nodes = [graph[sampler], *(inputs for _, inputs in _upstream(graph, sampler, through))]
    for inputs in nodes:
        for name in names:
            value = _resolved(graph, inputs.get(name), (*names, *NUMBERS, *TEXTS), good)
            if value is not None:
                return value
    return None


def _resolved(graph: Graph, value: Any, names: tuple[str, ...], good: Callable[[Any], bool]) -> Any:
    """A good value, or that of the node which a link leads to, or of those before it."""
    if good(value):
        return value
    if not _is_link(value):
        return None
    for _, inputs in islice(_behind(graph, [value]), NEXT):
        for name in names:
            if good(inputs.get(name)):
                return inputs[name]
    return None


def _upstream(
    graph: Graph, start: str, through: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The nodes before some inputs of a node, the nearest first."""
    return _behind(graph, [graph[start].get(name) for name in through])


def _behind(
    graph: Graph, links: list[Any], which: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The nodes that links lead to, the nearest first, each once.

    Args:
        which: "positive" or "negative", where a node hands on one of the two in each output.
    """
    seen: set[str] = set()
    for link in (queue := list(links)):
        if not _is_link(link) or link[0] not in graph or link[0] in seen:
            continue
        seen.add(link[0])
        inputs = graph[link[0]]
        yield link[0], inputs
        if len(seen) == NEAR:
            return
        if which and _is_link(inputs.get("positive")) and _is_link(inputs.get("negative")):
            queue.append(inputs["negative" if link[1] == 1 else "positive"])
        elif which and _is_link(inputs.get(which)):
            queue.append(inputs[which])
        else:
            queue.extend(value for value in inputs.values() if _is_link(value))


def _is_link(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _is_number(value: Any) -> bool:
    """JSON may hold infinities here; ComfyUI writes them."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 2**64


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
