"""The sampling loop, one step at a time, for any mix of rows.

`pipe(...)` of diffusers computes the same pictures (the tests hold the two together) but spends
more time around a small model than in it, and cannot be stopped, previewed or shared between
steps. Knows nothing of sessions or queues.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from ...errors import OutOfMemory
from ...schemas import SIZE_MULTIPLE, GenerationRequest
from ..compile.attention import project
from ..compile.compile_plan import describe, lessons
from ..compile.compiled_functions import Kind, Tiers
from ..compile.speed import Speed
from ..loading import Components
from ..weights.model_spec import ModelSpec
from .decode import RenderCall, decode, render, to_host
from .prompt import PromptEmbedding, PromptEncoder
from .schedule import schedule
from .step import Row, call_unet, euler_step, unet_rows

log = logging.getLogger(__name__)

LATENT_CHANNELS = 4
PROJECTED_PROMPTS = 16  # of SDXL 26 MB each in half precision


class Sampler:
    """Paints requests step by step with one model spec on one device.

    Not safe for several threads: the thread that owns the device owns the sampler.
    """

    def __init__(
        self,
        components: Components,
        speed: Speed | None = None,
        *,
        may_compile: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        Args:
            speed: the optimisations that are on; those that need nothing when absent.
            may_compile: false while another process is still compiling the same.
        """
        self._components = components
        self._speed = speed or Speed()
        self._tiers = Tiers(self._speed)
        self._prompts = PromptEncoder(components, self._tiers)
        self._projections: OrderedDict[tuple[int, str | None], PromptEmbedding] = OrderedDict()
        self._lessons = lessons(components.spec, self._speed)
        self._learned = 0
        self._may_compile = may_compile

    @property
    def device_name(self) -> str:
        """The device, for people."""
        return self._components.device_name

    def unet(self, num_inference_steps: int) -> UNet2DConditionModel:
        """The UNet for a step count."""
        return self._components.unets.get(num_inference_steps)

    @property
    def spec(self) -> ModelSpec:
        """The model that it paints with."""
        return self._components.spec

    def painted_size(self, request: GenerationRequest) -> tuple[int, int]:
        """The (width, height) that a request is painted at."""
        return self._components.spec.limits.nearest_size(request.width, request.height)

    def seconds_to_bring(self, num_inference_steps: int) -> float:
        """How long the UNet of a step count would take to the device; 0 when it is there."""
        return self._components.unets.seconds_to_bring(num_inference_steps)

    def synchronize(self) -> None:
        """Waits until everything asked of the device so far has been computed."""
        device = self._components.device
        if device.type in ("cuda", "xpu", "mps"):
            torch.get_device_module(device).synchronize()

    def forget_prompts(self) -> None:
        """Drops the remembered prompt embeddings, as if every prompt were new."""
        self._prompts = PromptEncoder(self._components, self._tiers)
        self._projections.clear()

    @property
    def tier(self) -> str:
        """How fast the model runs by now, for people; empty where it stays as it is."""
        return describe(self._lessons, self._learned)

    @property
    def lessons_left(self) -> int:
        """How much is still to be compiled or recorded."""
        return len(self._lessons) - self._learned

    def improve(self) -> bool:
        """Does one thing that makes later pictures faster; False when nothing is left.

        Weights of other step counts are brought nearer, then functions are compiled: seconds, or
        minutes where nothing is in the compiler's cache; for when nobody waits. Pictures stay the
        same to within rounding.
        """
        fetching = self._components.unets.fetch_ahead()
        if not self.lessons_left:
            return fetching
        if not self._may_compile():
            return True
        lesson = self._lessons[self._learned]
        self._learned += 1
        try:
            with lesson.on(self._tiers):
                self._rehearse(lesson.size, lesson.guidance_scale, rows=lesson.rows)
        except Exception:
            # A compiler that fails leaves things as they were: eager, and right.
            log.exception("%s could not be learned", lesson)
        return True

    def warm_up(self) -> None:
        """Paints a picture with what is loaded, so that no user pays for the first one.

        At every step count where the weights are part of the project; others are downloaded only
        when somebody asks for them.
        """
        spec = self._components.spec
        limits = spec.limits
        shipped = spec.lightning.folder is not None
        loaded = self._components.unets.resident_steps()
        for steps in limits.num_inference_steps if shipped else loaded:
            self._rehearse(limits.sizes[0], 0.0, steps)

    def _rehearse(
        self, size: tuple[int, int], guidance_scale: float, steps: int | None = None, rows: int = 1
    ) -> None:
        """Computes one step and both decodes of pictures that nobody sees."""
        steps = steps or self._components.spec.limits.default_steps
        prompt = f"a {self._learned}"  # another for each lesson, so that it is encoded
        request = GenerationRequest(prompt, "", steps, guidance_scale, 0, *size)
        batch = [self.begin(request) for _ in range(rows)]
        self.step(batch)
        self.previews(batch)
        self.finals(batch)

    def prepare(self, requests: Sequence[GenerationRequest]) -> int:
        """Encodes all prompts that are new in one go, which `begin` then finds encoded.

        Returns:
            How many were new.
        """
        prompts = [request.prompt for request in requests]
        prompts += [
            request.negative_prompt
            for request in requests
            if request.guidance_scale > 1 and request.negative_prompt
        ]
        with _memory_errors():
            return self._prompts.encode_all(prompts)

    @torch.inference_mode()
    def begin(self, request: GenerationRequest) -> Row:
        """Encodes the prompt and draws the noise.

        The noise is drawn on the CPU, so that a seed means the same on every device.
        """
        with _memory_errors():
            checkpoint = self._components.spec.checkpoint(request.num_inference_steps)
            table = schedule(request.num_inference_steps, checkpoint.prediction_type)
            self._components.unets.require(request.num_inference_steps)
            prompt = self._prompts.encode(request.prompt)
            negative = None
            if request.guidance_scale > 1:
                plain = self._prompts.encode_negative(request.negative_prompt, prompt)
                negative = self._project(request, plain, request.negative_prompt or None)
            prompt = self._project(request, prompt, request.prompt)
            limits = self._components.spec.limits
            width, height = limits.nearest_size(request.width, request.height)
            noise = torch.randn(
                (1, LATENT_CHANNELS, height // SIZE_MULTIPLE, width // SIZE_MULTIPLE),
                generator=torch.Generator("cpu").manual_seed(request.seed),
                dtype=torch.float32,  # transformers may be changing the default meanwhile
            )
            device = self._components.device
            return Row(
                request=request,
                schedule=table,
                latents=noise.to(device) * table.init_noise_sigma,
                prompt=prompt,
                negative=negative,
                time_ids=torch.tensor([[height, width, 0, 0, height, width]], device=device),
            )

    @torch.inference_mode()
    def step(self, rows: Sequence[Row]) -> None:
        """Takes one step of every row; all must share step count (so, weights) and size.

        A row changes only when the step has been computed: after an error it can be taken again.
        """
        with _memory_errors():
            unet = self.unet(rows[0].request.num_inference_steps)
            sample = rows[0].latents.shape[1:]
            batch = [*rows, *self._padding(rows)]
            # Compiled blocks are alike but for where in `projected` their part begins.
            projected = self._speed.cross_attention_cache and not self._tiers.by_blocks(
                (unet_rows(batch), *sample)
            )
            call = partial(self._tiers.call, "unet", call_unet)
            latents, denoised = euler_step(unet, batch, call, projected=projected)
            for index, row in enumerate(rows):
                row.latents = latents[index : index + 1]
                row.denoised = denoised[index : index + 1]
                row.step += 1

    def _padding(self, rows: Sequence[Row]) -> list[Row]:
        """Copies of the last row that make a batch as large as the next one that was learned.

        A compiled call of four rows is faster than an eager one of three. None where the batch
        itself was learned, or nothing larger.
        """
        count, sample = unet_rows(rows), rows[0].latents.shape[1:]
        each = unet_rows(rows[-1:])
        for more in range(len(rows) + 1):
            if self._tiers.learned("unet", (count + more * each, *sample)):
                return [rows[-1]] * more
        return []

    def previews(self, rows: Sequence[Row]) -> list[np.ndarray]:
        """What each row's picture looks like so far, uint8 [height, width, 3], quickly decoded."""
        latents = torch.cat([row.denoised for row in rows if row.denoised is not None])
        with _memory_errors():
            return to_host(decode(self._components.preview_vae, latents, self._render("preview")))

    def finals(self, rows: Sequence[Row]) -> list[np.ndarray]:
        """Each row's picture by the full decoder, uint8 [height, width, 3]."""
        latents = torch.cat([row.latents for row in rows])
        with _memory_errors():
            return to_host(decode(self._components.vae, latents, self._render("decoder")))

    def preview(self, row: Row) -> np.ndarray:
        """The preview of one row."""
        return self.previews([row])[0]

    def finish(self, row: Row) -> np.ndarray:
        """The picture of one row."""
        return self.finals([row])[0]

    def _render(self, kind: Kind) -> RenderCall:
        return partial(self._tiers.call, kind, render)

    def _project(
        self, request: GenerationRequest, embedding: PromptEmbedding, text: str | None
    ) -> PromptEmbedding:
        """The embedding with its keys and values for this step count; text None: zeros."""
        if not self._speed.cross_attention_cache:
            return embedding
        key = (request.num_inference_steps, text)
        found = self._projections.get(key)
        if found is None:
            unet = self.unet(request.num_inference_steps)
            found = replace(embedding, projected=project(unet, embedding.hidden))
            self._projections[key] = found
            if len(self._projections) > PROJECTED_PROMPTS:
                self._projections.popitem(last=False)
        self._projections.move_to_end(key)
        return found

    def notes(self, row: Row) -> tuple[str, ...]:
        """What the user should know about how the request was read."""
        notes = []
        height, width = (SIZE_MULTIPLE * side for side in row.latents.shape[2:])
        if (width, height) != (row.request.width, row.request.height):
            notes.append(
                f"{row.request.width} × {row.request.height} is not a size this model was trained "
                f"at: the picture is {width} × {height}, the nearest one."
            )
        if row.prompt.token_limit is not None:
            notes.append(
                f"The prompt is long: only its first {row.prompt.token_limit - 2} tokens were read."
            )
        if row.request.negative_prompt and row.negative is None:
            notes.append("The negative prompt acts only above guidance 1.")
        return tuple(notes)


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(
            "The device has too little free memory for this picture. A smaller size or guidance of "
            "at most 1 needs less, and so does ending other programs that use the device; fewer "
            "steps do not."
        ) from error
