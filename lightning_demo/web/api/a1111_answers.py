"""What AUTOMATIC1111 says of pictures: `info` of finished ones, `progress` of one to come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...images import parameters_text
from ...schemas import Frame, GenerationRequest
from .files import as_text
from .job import Job, Record


def _infotext(frame: Frame) -> str:
    """The settings as they stand in the picture's file."""
    width, height = frame.size
    return parameters_text(replace(frame.request, width=width, height=height), frame.model)


def info(
    record: Record,
    first: GenerationRequest,
    painted: Sequence[Frame],
    prompt: str,
    negative: str,
    batch_size: int,
) -> dict[str, Any]:
    """What the web UI says of finished pictures.

    Args:
        first: what the first picture was to be.
        prompt, negative, batch_size: as they were asked for.
    """
    size = record.done[0] if painted else None
    return {
        "prompt": prompt,
        "all_prompts": [prompt] * len(painted),
        "negative_prompt": negative,
        "all_negative_prompts": [negative] * len(painted),
        "seed": first.seed,
        "all_seeds": [each.request.seed for each in painted],
        "subseed": first.variation_seed,
        "all_subseeds": [each.request.variation_seed for each in painted],
        "subseed_strength": first.variation_strength,
        "width": size.width if size else 0,
        "height": size.height if size else 0,
        "sampler_name": "Euler",
        "cfg_scale": first.guidance_scale,
        "steps": record.steps,
        "batch_size": batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": painted[0].model if painted else "",
        "sd_model_hash": None,
        "denoising_strength": None,
        "extra_generation_params": {"Schedule type": "SGM Uniform"},
        "index_of_first_image": 0,
        "infotexts": [_infotext(each) for each in painted],
        "styles": [first.style.name] if first.style else [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.gmtime(record.created)),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "interrupted": record.state == "cancelled",
        "warnings": record.warnings,
    }


def progress_of(job: Job | None, *, with_picture: bool) -> dict[str, Any]:
    """A job as the web UI tells it; None: nothing runs."""
    part, left, step, preview = 0.0, 0.0, 0, None
    if job is not None:
        record, preview = job.record, job.preview
        step = 0 if preview is None or preview.final else preview.step
        part = (len(record.done) + step / record.steps) / record.count
        spent = time.time() - (record.started or time.time())
        left = spent / part - spent if part else 0.0
    state = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": job.record.id if job else "",
        "job_count": job.record.count if job else 0,
        "job_timestamp": "0",
        "job_no": len(job.record.done) if job else 0,
        "sampling_step": step,
        "sampling_steps": job.record.steps if job else 0,
    }
    return {
        "progress": part,
        "eta_relative": left,
        "state": state,
        "current_image": as_text(preview.data) if preview and with_picture else None,
        "textinfo": None,
    }
