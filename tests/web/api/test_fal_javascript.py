"""fal's client for JavaScript, as our document tells to use it; see `javascript.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import examples

from ..conftest import Running
from ..fakes import FakeEngine
from .javascript import run_node

APP = "fal-ai/fast-lightning-sdxl"
ADDRESS = "127.0.0.1:7860"  # as the document has it

CALLS = """
const app = "fal-ai/fast-lightning-sdxl";
const told = { subscribed: data };

const ran = await fal.run(app, { input: { prompt: "a cat", seed: 7, num_inference_steps: "2" } });
told.ran = ran.data;
told.runId = ran.requestId;

for (const mode of ["polling", "streaming"]) {
  const updates = [];
  const result = await fal.subscribe(app, {
    input: { prompt: mode, num_images: 2, expand_prompt: true },
    logs: true, mode, pollInterval: 10,
    onQueueUpdate: (update) => updates.push(update),
  });
  told[mode] = { data: result.data, last: updates.at(-1) };
}

const { request_id: requestId } = await fal.queue.submit(app, { input: { prompt: "queued" } });
const followed = await fal.queue.streamStatus(app, { requestId, logs: true });
told.followed = await followed.done();
told.status = await fal.queue.status(app, { requestId, logs: true });
told.result = await fal.queue.result(app, { requestId });
told.requestId = requestId;
try {
  await fal.queue.cancel(app, { requestId });
} catch (error) {
  told.cancelled = { status: error.status, body: error.body };
}

const stream = await fal.stream(app, { input: { prompt: "streamed", num_inference_steps: "8" } });
told.events = [];
for await (const event of stream) told.events.push(event);
told.streamed = await stream.done();

try {
  await fal.run(app, { input: { prompt: "x", num_images: 9 } });
} catch (error) {
  told.refused = {
    name: error.name, status: error.status, faults: error.getFieldErrors("num_images"),
  };
}
try {
  await fal.run("fal-ai/flux/dev", { input: { prompt: "x" } });
} catch (error) {
  told.unknown = { status: error.status, body: error.body };
}
console.log(JSON.stringify(told));
"""

REALTIME = """
const told = {};
await new Promise((resolve, reject) => {
  const live = fal.realtime.connect("fal-ai/fast-lightning-sdxl", {
    connectionKey: "one", maxBuffering: 2, throttleInterval: 0,
    tokenProvider: async () => "any",
    onResult: (result) => {
      told.results = [...(told.results ?? []), {
        ...result,
        images: result.images.map(
          ({ content, url }) => ({ url, start: [...(content ?? []).slice(0, 2)] })),
      }];
      if (told.results.length === 1) live.send({ prompt: "x", num_images: 9 });
      else { live.close(); resolve(); }
    },
    onError: (error) => {
      if (!error.body) return reject(error);
      told.error = error.body;
      live.send({ prompt: "a dog", request_id: "two" });
    },
  });
  live.send({ prompt: "a cat", seed: 5, sync_mode: true, emit_timings: true, request_id: "one" });
});
console.log(JSON.stringify(told));
process.exit(0);
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = Running(FakeEngine())
    yield running
    running.server.stop()


def told(server: Running, folder: Path, script: str, *options: str) -> dict:
    """What a script says of the server, which follows on our document's example."""
    script = script.replace(ADDRESS, server.url.removeprefix("http://"))
    return json.loads(run_node(folder, "@fal-ai/client", script, *options))


def test_run_queue_and_stream(server: Running, tmp_path: Path):
    example, _ = examples("api/fal.md", "javascript")
    said = told(server, tmp_path, example + CALLS)
    assert said["subscribed"]["prompt"] == "a red fox"
    assert said["subscribed"]["images"][0]["url"].startswith(f"{server.url}/files/")
    assert (said["ran"]["seed"], said["ran"]["warnings"]) == (7, [])
    assert said["runId"]
    for mode in ("polling", "streaming"):
        assert len(said[mode]["data"]["images"]) == 2
        last = said[mode]["last"]
        assert last["status"] == "COMPLETED"
        assert "4/4" in last["logs"][-1]["message"]
        assert last["logs"][0]["level"] == "WARN"
    assert said["followed"]["status"] == said["status"]["status"] == "COMPLETED"
    assert said["result"]["data"]["prompt"] == "queued"
    assert said["result"]["requestId"] == said["requestId"]
    assert said["cancelled"]["status"] == 400
    assert said["cancelled"]["body"]["status"] == "ALREADY_COMPLETED"
    *previews, result = said["events"]
    assert previews
    assert result == said["streamed"]
    assert result["has_nsfw_concepts"] == [False]
    assert (said["refused"]["name"], said["refused"]["status"]) == ("ValidationError", 422)
    assert "1 to 8" in said["refused"]["faults"][0]["msg"]
    assert said["unknown"]["status"] == 404
    assert APP in said["unknown"]["body"]["detail"]


def test_realtime(server: Running, tmp_path: Path):
    configured, socket = examples("api/fal.md", "javascript")
    example = configured[: configured.index("const { data }")] + socket
    # Node has a WebSocket of its own since 22, and before that when it is asked for it.
    said = told(server, tmp_path, example + REALTIME, "--experimental-websocket")
    first, second = said["results"]
    assert first["images"][0]["start"] == [0xFF, 0xD8]  # a JPEG's
    assert (first["request_id"], first["seed"]) == ("one", 5)
    assert second["images"][0]["url"].startswith("data:image/jpeg;base64,")
    assert second["request_id"] == "two"
    assert said["error"]["error"] == "INVALID_INPUT"
