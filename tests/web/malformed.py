"""Messages that a page never sends."""

from __future__ import annotations

import json


def _request(**fields: object) -> str:
    return json.dumps({"sequence": 1, "request": {"prompt": "x", **fields}})


MALFORMED = {
    "empty": "",
    "space": " ",
    "word": "hello",
    "half": '{"sequence": 1',
    "null": "null",
    "true": "true",
    "number": "7",
    "string": '"x"',
    "list": "[]",
    "nothing in it": "{}",
    "unknown field": '{"sequence": 1, "request": {"prompt": "x"}, "eval": "1"}',
    "sequence only": '{"sequence": 1}',
    "no sequence": '{"request": {"prompt": "x"}}',
    "negative sequence": '{"sequence": -1, "request": {"prompt": "x"}}',
    "sequence too large": '{"sequence": 9007199254740992, "request": {"prompt": "x"}}',
    "half a sequence": '{"sequence": 1.5, "request": {"prompt": "x"}}',
    "text sequence": '{"sequence": "1", "request": {"prompt": "x"}}',
    "boolean sequence": '{"sequence": true, "request": {"prompt": "x"}}',
    "negative budget": '{"sequence": 1, "request": {"prompt": "x"}, "budget": -1}',
    "huge budget": '{"sequence": 1, "request": {"prompt": "x"}, "budget": 60001}',
    "text budget": '{"sequence": 1, "request": {"prompt": "x"}, "budget": "400"}',
    "boolean budget": '{"sequence": 1, "request": {"prompt": "x"}, "budget": true}',
    "null request": '{"sequence": 1, "request": null}',
    "list request": '{"sequence": 1, "request": ["x"]}',
    "text request": '{"sequence": 1, "request": "x"}',
    "pause is no word": '{"pause": "yes"}',
    "pause is false": '{"pause": false}',
    "seen is negative": '{"seen": -1}',
    "seen is text": '{"seen": "all"}',
    "NaN": '{"sequence": 1, "request": {"prompt": "x", "guidance_scale": NaN}}',
    "Infinity": '{"sequence": 1, "request": {"prompt": "x", "guidance_scale": Infinity}}',
    "overflow": '{"sequence": 1, "request": {"prompt": "x", "guidance_scale": 1e400}}',
    "too deep": "[" * 100_000,
    "too long": '{"seen": ' + " " * 2**20 + "1}",
    "no prompt": '{"sequence": 1, "request": {}}',
    "empty prompt": _request(prompt=" \n "),
    "prompt is a list": _request(prompt=["x"]),
    "prompt too long": _request(prompt="x" * 100_001),
    "control character": _request(prompt="a\u0000b"),
    "half a character": '{"sequence": 1, "request": {"prompt": "\\ud800"}}',
    "steps without checkpoint": _request(num_inference_steps=3),
    "half a wish to watch": '{"watch": 1}',
    "text steps": _request(num_inference_steps="4"),
    "negative guidance": _request(guidance_scale=-0.1),
    "guidance beyond any float": _request(guidance_scale=10**400),
    "budget beyond any float": '{"sequence": 1, "request": {"prompt": "x"}, "budget": 1%s}'
    % ("0" * 400),
    "seed too large": _request(seed=2**64),
    "negative seed": _request(seed=-1),
    "half a seed": _request(seed=0.5),
    "odd width": _request(width=129),
    "huge height": _request(height=100_000),
    "unknown request field": _request(path="/etc/passwd"),
}
