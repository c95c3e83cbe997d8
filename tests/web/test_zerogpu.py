"""`python app.py` on ZeroGPU: the real package `spaces`, its scheduler played by this test.

Two things are replaced, for there is no GPU here: what `spaces` looks up in torch and a build
without CUDA does not have (a version, and functions that are asked nothing), and what a forked
worker does to reach its GPU. Decorating, launching, scheduling, forking, sending frames between the
processes, stopping and releasing are the package's own.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from lightning_demo.schemas import GenerationRequest
from lightning_demo.settings import ASSETS

from ..processes import ForkedPopen
from .conftest import Tab, connect, texts, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ZeroGPU is Linux")

SENTENCE = "a red house by the sea"
PREPARE = """
import json, os, runpy, sys, traceback
from dataclasses import replace
import numpy as np
import torch
torch.version.cuda = "12.8"
torch._C.__dict__.setdefault("_cuda_init", lambda: None)
torch.cuda._is_in_bad_fork = bool  # bool() is False, and can be sent to another process
# It looks at the variables when it is imported, as another test may have done before the fork.
for name in [name for name in sys.modules if name.partition(".")[0] == "spaces"]:
    del sys.modules[name]
sys.modules.pop("lightning_demo.engine.zerogpu", None)
import spaces.zero.torch
import lightning_demo.model.loading
from lightning_demo.model.weights.checkpoints import MINIATURE, MODELS
MODELS["miniature"] = replace(MINIATURE, checkpoints=MINIATURE.checkpoints[1:3])  # 2 and 4 steps
"""
# In a process of its own: what it has to do takes a while, and it needs what is imported, too.
LOADING = """
from lightning_demo.engine.build import build_engine
from lightning_demo.schemas import GenerationRequest
from lightning_demo.settings import Settings

def load():
    engine = build_engine(Settings(model="miniature"))
    sampler = engine._engine._sampler
    row = sampler.begin(GenerationRequest(**json.loads(sys.argv[1])))
    while not row.done:
        sampler.step([row])
    np.save(sys.argv[2] + "/picture.npy", sampler.finish(row))
    status = engine.status()
    return {"state": status.state, "device": status.device, "packed": spaces.zero.torch.pack()}

if os.fork() == 0:
    try:
        told = load()
    except BaseException:
        told = {"error": traceback.format_exc()}
    with open(sys.argv[2] + "/told", "w") as file:
        json.dump(told, file)
    os.rename(sys.argv[2] + "/told", sys.argv[2] + "/told.json")
    os._exit(0)
"""
APP = """
spaces.zero.torch.init = lambda nvidia_uuid: None
spaces.zero.torch.move = lambda callback=None: None
sys.argv = ["app.py", "--port", "0"]
runpy.run_path("app.py", run_name="__main__")
"""


class Scheduler(ThreadingHTTPServer):
    """What ZeroGPU's device API answers, and what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.quota_left: int | None = None  # seconds; None: enough for all

    def asked(self, path: str) -> list[dict[str, str]]:
        return [fields for name, fields in self.calls if name == path]

    def answer(self, path: str) -> tuple[int, object]:
        if path != "/schedule":
            return 200, None
        if self.quota_left is not None:
            return 429, {"left": self.quota_left, "wait": 3600}
        number = len(self.asked("/schedule"))
        return 200, {
            "idle": number > 1,  # the worker of the first picture serves the later ones
            "nvidiaIndex": 0,
            "nvidiaUUID": "MIG-test",
            "allowToken": f"allow-{number}",
        }


class _Handler(BaseHTTPRequestHandler):
    server: Scheduler

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        self.server.calls.append((url.path, dict(parse_qsl(url.query))))
        status, content = self.server.answer(url.path)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A Space with the miniature on the CPU, its address and its scheduler.

    Beside it, in the folder `loaded`, a process loads and paints as one with a GPU does.
    """
    folder = tmp_path_factory.mktemp("zerogpu")
    (folder / "cgroup").write_text("0::/test\n")
    loaded = tmp_path_factory.mktemp("loading")
    scheduler = Scheduler()
    threading.Thread(target=scheduler.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1",
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{scheduler.server_port}",
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(folder / "cgroup"),
        "ZEROGPU_OFFLOAD_DIR": str(folder / "tensors"),
        "LIGHTNING_MODEL": "miniature",
        "LIGHTNING_DEVICE": "cpu",
        "LIGHTNING_TRANSPORT": "socket",  # not what it gets
    }
    code, request = PREPARE + LOADING + APP, json.dumps(_request(SENTENCE))
    with (folder / "log").open("w+") as log:
        child = ForkedPopen(
            [sys.executable, "-c", code, request, str(loaded)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        with child:
            assert child.stdout is not None
            lines = iter(child.stdout.readline, "")
            line = next((line for line in lines if line.startswith("Open http")), "")
            assert line, (folder / "log").read_text()
            url = line.split()[1].rstrip("/")
            yield SimpleNamespace(url=url, scheduler=scheduler, loaded=loaded)
            child.send_signal(signal.SIGTERM)
            child.stdout.read()  # ends when no process holds it any more, the workers too
            assert child.wait(20) == 0
        text = (folder / "log").read_text()
    assert "Traceback" not in text, text
    scheduler.shutdown()
    scheduler.server_close()


@pytest.fixture(scope="module")
def visitor(space: SimpleNamespace) -> Iterator[Client]:
    """A visitor whose requests carry the token that the Hub gives to each."""
    payload = base64.urlsafe_b64encode(b'{"ip": "198.51.100.7"}').decode().rstrip("=")
    headers = {"X-IP-Token": f"header.{payload}.signature"}
    client = Client(space.url, verbose=False, analytics_enabled=False, headers=headers)
    yield client
    client.close()


def ask(visitor: Client, prompt: str, **fields: Any) -> list[dict[str, Any]]:
    """What the page gets for a request."""
    request = {"prompt": prompt, "seed": 7, **fields}
    job = visitor.submit(json.dumps({"sequence": 1, "request": request}), api_name="/live")
    job.result(timeout=60)
    return texts(job)


def test_a_picture_takes_a_gpu_for_its_visitor_and_gives_it_back(
    space: SimpleNamespace, visitor: Client
) -> None:
    status = json.loads(visitor.predict(api_name="/status"))
    assert (status["state"], status["submit_on_enter"]) == ("ready", True)
    scheduler = space.scheduler
    assert len(scheduler.asked("/startup-report")) == 1
    assert scheduler.asked("/schedule") == [], "nothing is painted for nobody"

    frames = ask(visitor, "a red house by the sea")
    assert frames[-1]["final"] and frames[-1]["step"] == 4
    picture = Image.open(io.BytesIO(base64.b64decode(frames[-1]["picture"].partition(",")[2])))
    assert picture.size == (256, 256)
    assert picture.getcolors(100) is None, "more than a hundred colours: not a blank"
    (schedule,) = scheduler.asked("/schedule")
    assert schedule["token"].startswith("header.") and schedule["durationSeconds"] == "15"
    assert schedule["cgroupPath"] == "/test"
    (allow,) = scheduler.asked("/allow")
    assert allow["allowToken"] == "allow-1"
    wait_for(lambda: scheduler.asked("/release"))
    assert scheduler.asked("/release") == [{"allowToken": "allow-1", "fail": "false"}]

    # The same again is remembered, another one is painted by the same worker.
    assert ask(visitor, "a red house by the sea")[-1]["cached"]
    assert len(scheduler.asked("/schedule")) == 1
    assert ask(visitor, "a cat in the snow", num_inference_steps=2)[-1]["final"]
    assert len(scheduler.asked("/schedule")) == 2
    assert len(scheduler.asked("/allow")) == 1


def test_what_is_painted_can_be_saved_and_nothing_else(
    space: SimpleNamespace, visitor: Client
) -> None:
    request = _request("a boat by the sea")
    before = len(space.scheduler.asked("/schedule"))
    with pytest.raises(HTTPError) as caught:
        _picture(space.url, request)
    assert caught.value.code == 503
    assert b"press Enter" in caught.value.read()
    assert len(space.scheduler.asked("/schedule")) == before
    assert ask(visitor, **request)[-1]["final"]
    assert _picture(space.url, request).format == "PNG"


def test_the_socket_spends_nobodys_time(space: SimpleNamespace) -> None:
    before = len(space.scheduler.asked("/schedule"))
    with connect(space.url.replace("http", "ws") + "/live") as connection:
        tab = Tab(connection)
        tab.ask(1, "a cat")
        assert "press Enter" in tab.error()["message"]
    assert len(space.scheduler.asked("/schedule")) == before


def test_a_spent_quota_is_told_in_words(space: SimpleNamespace, visitor: Client) -> None:
    space.scheduler.quota_left = 3
    try:
        (answer,) = ask(visitor, "a tree in the hills")
    finally:
        space.scheduler.quota_left = None
    assert answer["type"] == "error"
    assert "exceeded" in answer["message"] and "3s left" in answer["message"]
    assert ask(visitor, "a tree in the hills")[-1]["final"]


def test_the_page_uses_events_and_says_how_it_paints(space: SimpleNamespace) -> None:
    with urlopen(f"{space.url}/config") as answer:  # noqa: S310
        text = answer.read().decode()
    assert "when you press Enter or pause: this Space shares its GPU" in text
    assert "&quot;transport&quot;: &quot;events&quot;" in text


def test_the_model_is_put_on_the_gpu_before_there_is_one(
    space: SimpleNamespace, sampler: Any
) -> None:
    """`spaces` packs what was put on the GPU it makes torch believe in, to move it after a fork.

    It refuses to compute with tensors of two devices as a GPU would, so a picture painted there, in
    half precision, shows that everything is where it should be.
    """
    while not (space.loaded / "told.json").exists():  # however long it takes
        time.sleep(0.05)
    told = json.loads((space.loaded / "told.json").read_text())
    assert "error" not in told, told["error"]
    assert (told["state"], told["device"]) == ("ready", "NVIDIA H200")
    unets = sum(path.stat().st_size for path in (ASSETS / "miniature" / "base").glob("unet/*"))
    assert told["packed"] > 2 * unets, "both step counts', and the encoders and decoders"
    row = sampler.begin(GenerationRequest(**_request(SENTENCE)))
    while not row.done:
        sampler.step([row])
    difference = np.load(space.loaded / "picture.npy").astype(int) - sampler.finish(row)
    assert np.abs(difference).mean() < 1


def _request(prompt: str) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "negative_prompt": "",
        "num_inference_steps": 4,
        "guidance_scale": 0.0,
        "seed": 7,
        "width": 256,
        "height": 256,
    }


def _picture(url: str, request: dict[str, Any]) -> Image.Image:
    body = json.dumps(request).encode()
    question = Request(f"{url}/picture", body, {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(question) as answer:  # noqa: S310
        return Image.open(io.BytesIO(answer.read()))
