"""The sampling loop, one step at a time, for any mix of rows.

`pipe(...)` of diffusers computes the same pictures (the tests hold the two together) but spends
more time around a small model than in it, and cannot be stopped, previewed or shared between
steps. Knows nothing about sessions or queues.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Literal

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from ...schemas import GenerationRequest
from ..compile.compile_plan import compile_plan
from ..compile.compiled_functions import CompiledFunctions, Kind
from ..compile.speed import Speed
from ..device import send, synchronize
from ..device_errors import device_errors
from ..loading import Components
from ..weights.model_spec import ModelSpec
from .calls import BatchCalls
from .decode import VAE
from .decode_stream import DecodeStream
from .improvement import Improvement, MayCompile
from .noise import initial_noise
from .notes import notes
from .prompt import PromptEmbedding, PromptEncoder, PromptProjections
from .schedule import schedule
from .step import Row

LATENT_CHANNELS = 4


class Sampler:
    """Paints requests step by step with one model on one device.

    Not thread-safe: the thread that owns the device owns the sampler. `decodes_beside` says what
    another one may do.
    """

    def __init__(
        self,
        components: Components,
        speed: Speed | None = None,
        *,
        may_compile: MayCompile = lambda size, start: True,
        functions: CompiledFunctions | None = None,
    ) -> None:
        """
        Args:
            speed: the optimisations that are on; the defaults when absent.
            may_compile: whether calls at a size are compiled: False: not yet, None: never.
            functions: through which the model is called; made for `speed` when absent, and then
                nothing is compiled.
        """
        self._components = components
        self._speed = speed or Speed()
        if components.device.type == "cuda":
            self._speed.configure()
        self._functions = functions or CompiledFunctions(self._speed)
        self.prompts = PromptEncoder(components, self._functions)
        self._projections = PromptProjections()
        memory = components.memory_plan
        plan = compile_plan(
            components.spec.limits.sizes,
            self._speed,
            several=memory.text_encoders_stay,
            tiled=memory.decoder == "tiled",
        )
        self.improvement = Improvement(plan, components.unets, self._functions, may_compile)
        self._calls = BatchCalls(self._functions, self._speed)
        self._decode_stream = DecodeStream(components, self._speed, self._functions)
        self._rehearsals = 0

    @property
    def device_name(self) -> str:
        """The device, for people."""
        return self._components.device_name

    @property
    def plan_option(self) -> str:
        """How the model is spread over the device: `MemoryPlan.as_option`."""
        return self._components.memory_plan.as_option()

    def unet(self, num_inference_steps: int) -> UNet2DConditionModel:
        """The UNet for a step count."""
        return self._components.unets.get(num_inference_steps)

    @property
    def speed(self) -> Speed:
        """The optimisations that are on."""
        return self._speed

    @property
    def spec(self) -> ModelSpec:
        """The model it paints with."""
        return self._components.spec

    def seconds_to_bring(self, num_inference_steps: int) -> float:
        """Seconds until the UNet of a step count is on the device; 0 when it is there."""
        return self._components.unets.seconds_to_bring(num_inference_steps)

    def is_resident(self, num_inference_steps: int) -> bool:
        """Whether the UNet of a step count is on the device; may be asked at any time."""
        return self._components.unets.is_resident(num_inference_steps)

    @property
    def decodes_beside(self) -> bool:
        """Whether another thread may call `finals`, inside `beside`, while this one takes steps."""
        return self._decode_stream.possible

    def may_decode_beside(self, rows: Sequence[Row]) -> bool:
        """Whether `finals` of these rows may go on beside steps."""
        shape = (len(rows), *rows[0].latents.shape[1:])
        return self.decodes_beside and self._decode_stream.may_decode(shape)

    def beside(self) -> AbstractContextManager[None]:
        """Inside, this thread's calls keep apart from those of the one that takes steps.

        What they are given has to be computed: nothing on the other stream is waited for.
        """
        return self._decode_stream.entered()

    def synchronize(self) -> None:
        """Waits until the device has computed everything asked so far."""
        synchronize(self._components.device)

    def forget_prompts(self) -> None:
        """Drops the remembered prompt embeddings, as if every prompt were new."""
        self.prompts.clear()
        self._projections.clear()

    @property
    def tier(self) -> str:
        """How fast the model has become, for people; empty where it stays as it is."""
        return self.improvement.tier

    @property
    def form(self) -> str:
        """The form that all calls at the native size have: "eager", "recorded" or "compiled"."""
        return self.improvement.form

    @property
    def has_more(self) -> bool:
        """Whether `improve` will have something to do, now or later."""
        return self.improvement.has_more

    def improve(self, *, fetch: bool = True) -> bool:
        """Does one thing that makes later pictures faster; False when nothing can be done now.

        Weights of other step counts are loaded ahead, and one task of the compile plan is done.
        Call it while nobody waits. Pictures stay the same to within rounding.

        Args:
            fetch: whether weights are loaded ahead.
        """
        fetching = fetch and self._components.unets.fetch_ahead()
        return self.improvement.go_on(self._rehearse) or fetching

    def warm_up(self) -> None:
        """Paints a picture with what is loaded, so that no user waits for the first one.

        Weights that come with the project are warmed up for every step count; others are
        downloaded only on request. On a GPU, calls at the native size become fast.
        """
        spec = self._components.spec
        limits = spec.limits
        shipped = spec.lightning.folder is not None
        loaded = self._components.unets.resident_steps() or (limits.default_steps,)
        every = limits.num_inference_steps if shipped else loaded
        # On a GPU all are recorded; on a CPU the first is enough to begin with.
        first = every if self._speed.cuda_graphs else loaded
        for steps in first:
            self._rehearse(limits.sizes[0], 0.0, steps)
        self.improvement.warm_up(self._rehearse)
        for steps in every:
            if steps not in first:
                self._rehearse(limits.sizes[0], 0.0, steps)

    def _rehearse(
        self,
        size: tuple[int, int],
        guidance_scale: float,
        steps: int,
        rows: int = 1,
        decodes: bool = True,
    ) -> None:
        """Computes one step, and perhaps both decodes, of pictures that nobody sees."""
        self._rehearsals += 1
        # New, so that it is encoded. On a CPU several, together: a GPU's memory of keys and values,
        # which others need, holds few.
        one = self._speed.cuda_graphs
        prompts = [f"a {self._rehearsals} {0 if one else row}" for row in range(rows)]
        requests = [
            GenerationRequest(prompt, "", steps, guidance_scale, 0, *size) for prompt in prompts
        ]
        self.prompts.encode_all(prompts)
        batch = [self.begin(request) for request in requests]
        self.step(batch)
        if decodes:
            self.previews(batch)
            self.finals(batch)

    def prepare(self, requests: Sequence[GenerationRequest], *, asked: bool = True) -> int:
        """Encodes all new prompts in one call; `begin` then finds them encoded.

        Args:
            asked: whether somebody has asked for them, so that such calls are to get faster.

        Returns:
            How many were new.
        """
        limits = self._components.spec.limits
        if asked:
            self.improvement.sizes_in_use |= {
                limits.nearest_size(each.width, each.height) for each in requests
            }
            self.improvement.steps_in_use |= {each.num_inference_steps for each in requests}
        prompts = [request.painted_prompt for request in requests]
        prompts += [
            negative
            for request in requests
            if request.guided and (negative := request.painted_negative_prompt)
        ]
        with device_errors(self._components.device):
            return self.prompts.encode_all(prompts)

    @torch.inference_mode()
    def begin(self, request: GenerationRequest) -> Row:
        """Encodes the prompt and draws the noise.

        The noise is drawn on the CPU, so that a seed means the same on every device.
        """
        with device_errors(self._components.device):
            checkpoint = self._components.spec.checkpoint(request.num_inference_steps)
            table = schedule(request.num_inference_steps, checkpoint.prediction_type)
            self._components.unets.require(request.num_inference_steps)
            prompt = self._embedding(request)
            negative = None
            if request.guided:
                words = request.painted_negative_prompt
                plain = self.prompts.encode_negative(words, prompt)
                chunks = max(prompt.chunks, plain.chunks)
                prompt, plain = (self.prompts.padded(each, chunks) for each in (prompt, plain))
                negative = self._project(request, plain, words or None)
            text = (request.painted_prompt, request.painted_morph_prompt, request.morph_strength)
            prompt = self._project(request, prompt, text if request.morph_strength else text[0])
            limits = self._components.spec.limits
            width, height = limits.nearest_size(request.width, request.height)
            scale = self._components.vae_scale_factor
            shape = (1, LATENT_CHANNELS, height // scale, width // scale)
            noise = initial_noise(request, shape)
            device = self._components.device
            return Row(
                request=request,
                schedule=table,
                latents=send(noise, device) * table.init_noise_sigma,
                prompt=prompt,
                negative=negative,
                time_ids=send(torch.tensor([[height, width, 0, 0, height, width]]), device),
            )

    @torch.inference_mode()
    def step(self, rows: Sequence[Row]) -> None:
        """Takes one step of every row.

        All must share their step count (and so weights), size and number of chunks. Rows change
        only after the step is computed: after an error it can be repeated.
        """
        with device_errors(self._components.device):
            self._calls.step(self.unet(rows[0].request.num_inference_steps), rows)

    def previews(self, rows: Sequence[Row]) -> list[np.ndarray]:
        """Each row's picture so far by the preview decoder, uint8 [height, width, 3]."""
        denoised = [row.denoised for row in rows if row.denoised is not None]
        return self._decode("preview", self._components.preview_vae, denoised)

    def finals(self, rows: Sequence[Row]) -> list[np.ndarray]:
        """Each row's picture by the full decoder, uint8 [height, width, 3]."""
        return self._decode("decoder", self._components.vae, [row.latents for row in rows])

    def interrupt(self, kind: Literal["unet", "decoder"]) -> None:
        """Ends the `step` or the `finals` that another thread computes, with `Interrupted`.

        Where that is possible. May be called at any time.
        """
        self._functions.cancel(kind)

    def preview(self, row: Row) -> np.ndarray:
        """The preview of one row."""
        return self.previews([row])[0]

    def finish(self, row: Row) -> np.ndarray:
        """The picture of one row."""
        return self.finals([row])[0]

    def _decode(self, kind: Kind, vae: VAE, latents: Sequence[torch.Tensor]) -> list[np.ndarray]:
        with device_errors(self._components.device):
            return self._calls.decode(kind, vae, latents)

    def _embedding(self, request: GenerationRequest) -> PromptEmbedding:
        """What is painted, on its way to another prompt."""
        if not request.morph_strength:
            return self.prompts.encode(request.painted_prompt)
        return self.prompts.between(
            request.painted_prompt, request.painted_morph_prompt, request.morph_strength
        )

    def _project(
        self, request: GenerationRequest, embedding: PromptEmbedding, text: Hashable
    ) -> PromptEmbedding:
        """The embedding with its keys and values for this step count; text None: zeros."""
        if not self._speed.cross_attention_cache:
            return embedding
        steps = request.num_inference_steps
        return self._projections.get(partial(self.unet, steps), steps, text, embedding)

    def notes(self, row: Row) -> tuple[str, ...]:
        """What the user should know about how the request was read."""
        return notes(row, self._components.vae_scale_factor)
