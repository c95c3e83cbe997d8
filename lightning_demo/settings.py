"""Every setting, its default and its words for `--help`; the only reader of our own variables."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import InvalidSetting
from .schemas import MAX_LATENCY_BUDGET

ASSETS = Path(__file__).resolve().parent.parent / "assets"
ENVIRONMENT_PREFIX = "LIGHTNING_"
FALLBACK_KEY = "LIGHTNING_FALLBACK_KEY"  # what the servers of `fallback` are given
MAX_REPLICAS = 64
HOST_PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}")
WEB_ADDRESS = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")


def _setting(default: Any, help: str, **rules: Any) -> Any:
    """A field with the words and rules of its option.

    Args:
        rules: `choices`, `low` and `high`; `off`, a value beside that range; `metavar`; `alone`,
            the value of an option that is given without one; `repeats`, whether it may be given
            more than once.
    """
    return field(default=default, metadata={"help": help, **rules})


# By what is painted, and how fast it is: of every command that has a model.
ENGINE_SETTINGS = ("model", "variant", "base", "lora", "styles", "device", "threads")
SPEED_SETTINGS = (
    "compile",
    "compile_backend",
    "cuda_graphs",
    "channels_last",
    "cudnn_attention",
    "cudnn_benchmark",
    "autotune",
    "fp16_accumulation",
    "decode_stream",
    "cross_attention_cache",
    "fp8",
)


@dataclass(frozen=True)
class Settings:
    """What the user may choose; every field is an option and a LIGHTNING_… variable."""

    host: str = _setting("127.0.0.1", "address to listen on; 0.0.0.0 for every network")
    port: int = _setting(7860, "port to listen on", low=0, high=65535)
    model: str = _setting(
        "auto",
        "sdxl-lightning needs a CUDA GPU and its weights; auto takes it where there is a GPU, "
        "else the miniature",
        choices=("auto", "miniature", "sdxl-lightning"),
    )
    variant: str = _setting(
        "auto",
        "SDXL-Lightning as whole UNets, which paint best, or as LoRAs (2, 4, 8 steps); auto takes "
        "the LoRAs on another base",
        choices=("auto", "unet", "lora"),
    )
    base: str = _setting(
        "",
        "another SDXL model to paint with, by LoRA: owner/name[@revision] on the Hugging Face "
        "Hub, or a folder in diffusers' layout",
        metavar="MODEL",
    )
    compare_with: str = _setting(
        "",
        "address of another server of this demo, whose weights the page's compare shows beside "
        "these: one with --variant lora, say, beside --variant unet",
        metavar="URL",
    )
    device: str = _setting("auto", "torch device to compute on, e.g. cpu, cuda, cuda:1")
    lora: str = _setting(
        "",
        "styles added to the model: LoRA files as PATH or PATH:SCALE, scale -2 to 2, several "
        "separated by commas",
        metavar="FILES",
    )
    styles: str = _setting(
        "",
        "words around prompts, by name, in place of those that are shipped: a file in the form of "
        "styles.csv (name, prompt with {prompt}, negative_prompt), or a JSON list of the same",
        metavar="FILE",
    )
    threads: int = _setting(
        0,
        "CPU threads for the model; 0: half of the cores, at most 2",
        low=0,
        high=256,
    )
    share: bool = _setting(False, "also open a public gradio.live link")
    auth: str = _setting("", "ask for a login: user:password[,user:password…]", metavar="LOGINS")
    allowed_hosts: str = _setting(
        "",
        "host names the page may be reached under, separated by commas; empty: this machine's "
        "own when listening on a loopback address, any otherwise",
        metavar="NAMES",
    )
    tls_cert: str = _setting(
        "", "certificate chain (PEM) to serve https with; needs --tls-key", metavar="FILE"
    )
    tls_key: str = _setting("", "private key (PEM) of --tls-cert", metavar="FILE")
    api_keys: str = _setting(
        "",
        "who may use the APIs: a file with a line for each, NAME KEY [per_second=N] [at_once=N]; "
        "read again when it changes; empty: programs on this machine",
        metavar="FILE",
    )
    open_api: bool = _setting(False, "let everybody use the APIs, without a key")
    cors_origins: str = _setting(
        "",
        "origins whose pages may use the APIs from a browser, separated by commas, e.g. "
        "https://example.org",
        metavar="ORIGINS",
    )
    files_dir: str = _setting(
        "",
        "folder for pictures and jobs of the APIs; empty: one in ~/.cache/lightning-demo for each "
        "port",
        metavar="FOLDER",
    )
    files_hours: float = _setting(
        24.0, "hours that pictures and jobs of the APIs are kept", low=0.01, high=10_000
    )
    files_mb: float = _setting(
        512.0, "disk for pictures of the APIs; the oldest go first", low=1, high=1_000_000
    )
    webhook_hosts: str = _setting(
        "",
        "hosts that are told when a job has ended, where its client wants that, separated by "
        "commas; empty: none",
        metavar="HOSTS",
    )
    stage: bool = _setting(
        False,
        "for talks: a presenter's desk on the page, and /stage, what the hall sees, on a second "
        "screen or another computer",
    )
    presenter_password: str = _setting(
        "",
        "with --stage: what whoever presents has to type once; empty: only a browser on this "
        "machine may present",
        metavar="PASSWORD",
    )
    safety_checker: str = _setting(
        "",
        "look at every finished picture and blur what is not safe for work: a CLIP-based checker, "
        "owner/name[@revision] on the Hugging Face Hub or a folder; alone: the usual one, "
        "CompVis/stable-diffusion-safety-checker",
        metavar="MODEL",
        alone="CompVis/stable-diffusion-safety-checker",
    )
    attract: float = _setting(
        0.0,
        "seconds without anybody at a page after which its examples type themselves, until a "
        "touch or a key; 0: never",
        metavar="SECONDS",
        low=5,
        high=3600,
        off=0,
    )
    kiosk: float = _setting(
        0.0,
        "for a public screen: a page that nobody has touched for so many seconds begins anew, and "
        "hides what visitors must not have: files, links, the server's own figures; 90 where no "
        "number is given; 0: off",
        metavar="SECONDS",
        low=15,
        high=86_400,
        off=0,
        alone=90.0,
    )
    audience: bool = _setting(
        False,
        "with --stage: phones in the hall join by a QR code on the wall, paint, and send pictures "
        "to the presenter, who shows them",
    )
    audience_url: str = _setting(
        "",
        "address of the demo for these phones, where it is behind a proxy; empty: this machine's "
        "own in its network",
        metavar="URL",
    )
    audience_seats: int = _setting(
        8, "phones that may paint at once; further ones wait in line", low=1, high=64
    )
    audience_words: str = _setting(
        "",
        "further words that phones and players may not use: a UTF-8 file with one word or phrase "
        "a line, WORD* for all that begin so, !WORD for what shall be allowed",
        metavar="FILE",
    )
    transport: str = _setting(
        "auto",
        "how frames reach the browser: a WebSocket, Gradio's own events, or the first that works",
        choices=("auto", "socket", "events"),
    )
    max_sessions: int = _setting(
        64,
        "pages that may paint at once; further ones wait in line for a seat and are told so",
        low=1,
        high=1_000,
    )
    sessions_per_address: int = _setting(
        500,
        "pages that may be open from one address, behind which may sit a whole audience; "
        "0: no limit",
        low=0,
        high=1_000,
    )
    max_stale_ms: float = _setting(
        300.0, "while typing without pause, a new picture appears this often", low=0, high=10_000
    )
    debounce_ms: float = _setting(
        150.0,
        "the longest a keystroke waits for the next one while others keep the engine busy; "
        "0 switches it off",
        low=0,
        high=2_000,
    )
    latency_budget: float = _setting(
        200.0,
        "milliseconds: while typing, an 8-step picture that would take longer is drafted first, "
        "with 2 steps, at a smaller size, by the quick decoder; visitors may change it; 0 switches "
        "it off",
        low=0,
        high=MAX_LATENCY_BUDGET,
    )
    ahead: bool = _setting(
        True, "while nobody wants anything, paint what will probably be asked for next"
    )
    fallback: str = _setting(
        "",
        "another server of this demo, with the same weights, which paints while this one's engine "
        "is gone, hung or loading; more than once, or separated by commas, in this order; its key "
        "from LIGHTNING_FALLBACK_KEY",
        metavar="URL",
        repeats=True,
    )
    engine: str = _setting(
        "local",
        "where pictures are painted: in this process (local); in one of its own, started anew when "
        "it crashes or hangs, while the page stays up (process); or by replicas that Ray Serve "
        "starts, watches and replaces (ray; needs requirements-ray.txt)",
        choices=("local", "process", "ray"),
    )
    replicas: str = _setting(
        "1",
        "with --engine ray: how many, each with a GPU of its own where there are any; MIN-MAX, as "
        "in 1-4, lets their number follow how long people wait",
        metavar="N",
    )
    ray_address: str = _setting(
        "",
        "with --engine ray: the cluster to join, as HOST:PORT, or auto for the one that this "
        "machine is part of; empty: one of this machine alone, which ends with the demo",
        metavar="ADDRESS",
    )
    memory_mb: float = _setting(
        64.0, "memory for finished pictures, which repaint at once when asked again", low=0
    )

    compile: bool = _setting(
        True, "compile the model in a process of its own, and serve faster when that is done"
    )
    cuda_graphs: bool = _setting(True, "on a GPU, replay a whole step as one launch")
    channels_last: bool = _setting(True, "on a GPU, the memory layout its convolutions prefer")
    cudnn_attention: bool = _setting(True, "on a GPU, prefer cuDNN's attention kernels")
    cudnn_benchmark: bool = _setting(
        True, "on a GPU, try cuDNN's convolutions once for each shape and keep the fastest"
    )
    autotune: bool = _setting(
        False,
        "on a GPU, let the compiler try its kernels there; many more minutes to compile",
    )
    fp16_accumulation: bool = _setting(
        False, "on a GPU, add up products in half precision (GeForce gains); changes pictures"
    )
    decode_stream: bool = _setting(
        False, "on a GPU with room for it, decode settled pictures while the next steps are taken"
    )
    cross_attention_cache: bool = _setting(
        True, "compute a prompt's keys and values once, not at each step"
    )
    fp8: bool = _setting(
        False,
        "round large layers to 8 bits (Ada, Hopper; needs torchao); changes pictures",
    )
    compile_backend: str = _setting(
        "auto",
        "auto is inductor on a GPU, and openvino for the miniature on a CPU; inductor takes "
        "minutes for each size on a CPU; eager only traces, to tell a fault of the compiler from "
        "one of the model's code",
        choices=("auto", "inductor", "openvino", "eager"),
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.metadata)
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InvalidSetting("tls_cert, tls_key: give both, or none.")
        if self.presenter_password and not self.stage:
            raise InvalidSetting("presenter_password: is for the stage; give --stage, too.")
        if self.kiosk and self.stage:
            raise InvalidSetting("kiosk: hides the presenter's desk; leave --stage or --kiosk out.")
        if self.audience and not self.stage:
            raise InvalidSetting("audience: is for the stage; give --stage, too.")
        for url in listed(self.fallback):
            check_fallback(url)
        self._check_ray()
        for name in ("audience_url", "compare_with"):
            address = getattr(self, name)
            if address and not WEB_ADDRESS.fullmatch(address):
                raise InvalidSetting(f"{name}: write it as in https://demo.example.org.")
        if self.audience_url and not self.audience:
            raise InvalidSetting("audience_url: give --audience, too.")
        if self.audience_words and not self.stage:
            raise InvalidSetting("audience_words: are for the stage; give --stage, too.")
        for origin in listed(self.cors_origins):
            if not re.fullmatch(r"https?://[^/?#@]+", origin):
                raise InvalidSetting(
                    "cors_origins: write scheme and host, as in https://example.org, several "
                    "separated by commas."
                )
        for login in filter(None, self.auth.split(",")):
            user, colon, password = login.partition(":")
            if not (user and colon and password):
                raise InvalidSetting("auth: write user:password, several separated by commas.")

    def _check_ray(self) -> None:
        replica_range(self.replicas)
        if self.engine != "ray" and (self.ray_address or self.replicas != "1"):
            raise InvalidSetting("replicas, ray_address: are for --engine ray; give it, too.")
        if self.engine == "ray" and re.fullmatch(r"cuda:\d+", self.device):
            raise InvalidSetting(
                "device (LIGHTNING_DEVICE): with --engine ray each replica gets a GPU of its own; "
                "say cuda."
            )
        if self.ray_address not in ("", "auto") and not HOST_PORT.fullmatch(self.ray_address):
            raise InvalidSetting(
                "ray_address (LIGHTNING_RAY_ADDRESS): write HOST:PORT, as in 10.0.0.7:6379, or "
                "auto."
            )

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, given: Mapping[str, Any] | None = None
    ) -> Settings:
        """Reads LIGHTNING_HOST and so on; what is not set keeps its default.

        Args:
            given: values by field, before which variables stand back; only together must they fit.

        Raises:
            InvalidSetting: naming the variable and what it may be.
        """
        # A Hugging Face Space is reached from outside its container only.
        values: dict[str, Any] = {"host": "0.0.0.0"} if "SPACE_ID" in environment else {}  # noqa: S104
        for item in fields(cls):
            text = environment.get(variable(item.name))
            if text is not None:
                values[item.name] = convert(item.name, text)
        return cls(**{**values, **(given or {})})

    def to_environment(self) -> dict[str, str]:
        """The variables that make another process choose the same."""
        words = {True: "yes", False: "no"}
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            variable(name): words[value] if isinstance(value, bool) else str(value)
            for name, value in values.items()
        }

    def decided(self, model: str) -> Settings:
        """The same with the model that has been chosen: another process may see other devices."""
        chosen = replace(self, model=model)
        if model == "miniature" and self.model == "auto":
            device = "cpu" if self.device.startswith("cuda") else self.device
            chosen = replace(chosen, variant="auto", base="", device=device)
        return chosen

    def for_painting(self) -> dict[str, str]:
        """Those variables that a process needs to paint the same.

        Logins and passwords stay with the process that serves the page.
        """
        known = self.to_environment()
        names = (*ENGINE_SETTINGS, "safety_checker", *SPEED_SETTINGS)
        return {variable(name): known[variable(name)] for name in names}

    def logins(self) -> list[tuple[str, str]] | None:
        """The (user, password) pairs of `auth` in Gradio's form; None when there are none."""
        pairs = [login.partition(":")[::2] for login in filter(None, self.auth.split(","))]
        return [(user, password) for user, password in pairs] or None


def files_folder(settings: Settings) -> Path | None:
    """Where the APIs keep pictures and jobs; None: a temporary folder, since the port is any."""
    if settings.files_dir:
        return Path(settings.files_dir)
    usual = Path.home() / ".cache" / "lightning-demo" / f"files-{settings.port}"
    return usual if settings.port else None


def check_fallback(url: str) -> str:
    """The address of another server, without a slash at its end.

    Raises:
        InvalidSetting: it is none, or there is a password in it.
    """
    try:
        good = bool(WEB_ADDRESS.fullmatch(url) and urlsplit(url).hostname)
        good = good and urlsplit(url).port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        good = False
    if not good:
        raise InvalidSetting(
            "fallback (LIGHTNING_FALLBACK): write the address of a server of this demo as in "
            "https://demo.example.org, without a password, a ? or a #; its key goes into "
            "LIGHTNING_FALLBACK_KEY."
        )
    return url.rstrip("/")


def fallback_key(environment: Mapping[str, str] = os.environ) -> str:
    """The key for the servers of `fallback`, where they ask for one.

    Never an option, which everybody on this machine could read.
    """
    return environment.get(FALLBACK_KEY, "").strip()


def replica_range(text: str) -> tuple[int, int]:
    """The fewest and the most replicas that a setting asks for, 1 to 64; often the same.

    Raises:
        InvalidSetting: it is neither a number nor a range.
    """
    low, dash, high = text.strip().partition("-")
    try:
        fewest = int(low)
        most = int(high) if dash else fewest
    except ValueError:
        fewest, most = 0, 0
    if not 1 <= fewest <= most <= MAX_REPLICAS:
        raise InvalidSetting(
            f"replicas (LIGHTNING_REPLICAS): from 1 to {MAX_REPLICAS}, or a range as in 1-4, "
            f"not {text[:40]!r}."
        )
    return fewest, most


def listed(text: str) -> tuple[str, ...]:
    """What a setting lists, separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper()


def convert(name: str, text: str) -> Any:
    """The value of setting `name` written as `text`.

    Raises:
        InvalidSetting: when the text is not of the setting's type.
    """
    default: Any = Settings.__dataclass_fields__[name].default
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    try:
        if isinstance(default, bool):
            return words[text.strip().lower() or "no"]
        return type(default)(text)
    except (KeyError, ValueError):
        kind = {bool: "yes or no", int: "a whole number", float: "a number"}[type(default)]
        raise InvalidSetting(
            f"{name} ({variable(name)}): must be {kind}, not {text[:40]!r}."
        ) from None


def _check(name: str, value: Any, rules: Mapping[str, Any]) -> None:
    choices = rules.get("choices")
    if choices and value not in choices:
        raise InvalidSetting(f"{name} ({variable(name)}): must be one of {', '.join(choices)}.")
    low, high = rules.get("low"), rules.get("high")
    if low is None:
        return
    top, off = math.inf if high is None else high, rules.get("off")
    if value == off and off is not None:
        return
    if not math.isfinite(value) or not low <= value <= top:
        span = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
        span = span if off is None else f"{off:g}, or {span}"
        raise InvalidSetting(f"{name} ({variable(name)}): must be {span}.")
