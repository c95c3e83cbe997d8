"""The training pictures: rendered once, kept as files that every stage maps into memory."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .captions import Caption, write_caption
from .config import TrainingConfig
from .kept import replaced
from .picture import draw_scene
from .world import BUCKET_SHARES, BUCKETS, PAINTED, sample_scene

FIRST_SEED = 1_000_000  # scenes of evaluation use the seeds below


@dataclass(frozen=True)
class Bucket:
    """All pictures of one size, with their captions."""

    width: int
    height: int
    pictures: NDArray[np.uint8]  # [N, H, W, 3]
    captions: list[list[Caption]]  # [N][captions per picture]


def render_pool(
    folder: Path, config: TrainingConfig, workers: int | None = None, *, sharp: bool = False
) -> None:
    """Writes pictures and captions of every bucket; files that exist are kept.

    Args:
        workers: processes; None: as many as there are cores.
        sharp: at the sizes that are painted, instead of those that are encoded; fewer of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = FIRST_SEED
    pictures = config.sharp_pictures if sharp else config.pictures
    for (width, height), share in zip(_sizes(sharp), BUCKET_SHARES, strict=True):
        count = round(pictures * share)
        seeds = range(first, first + count)
        first += count
        words = folder / f"{width}x{height}.json"
        if words.exists():
            continue
        array = np.lib.format.open_memmap(
            folder / f"{width}x{height}.npy",
            mode="w+",
            dtype=np.uint8,
            shape=(count, height, width, 3),
        )
        render = partial(_render, width=width, height=height, captions=config.captions_per_picture)
        texts = []
        with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
            drawn = pool.map(render, seeds, chunksize=64)
            for index, each in enumerate(tqdm(drawn, total=count, desc=f"{width}x{height}")):
                array[index], written = each
                texts.append(written)
        array.flush()
        with replaced(words) as new:
            new.write_text(json.dumps(texts), encoding="utf-8")


def _render(
    seed: int, width: int, height: int, captions: int
) -> tuple[NDArray[np.uint8], list[tuple[str, dict[str, str]]]]:
    scene = sample_scene(seed)
    written = [write_caption(scene, seed * 31 + number) for number in range(captions)]
    picture = np.asarray(draw_scene(scene, width, height))
    return picture, [(caption.text, dict(caption.claims)) for caption in written]


def _sizes(sharp: bool) -> tuple[tuple[int, int], ...]:
    return PAINTED if sharp else BUCKETS


def open_pool(folder: Path, *, sharp: bool = False) -> list[Bucket]:
    """The rendered buckets; pictures stay on disk until used."""
    buckets = []
    for width, height in _sizes(sharp):
        pictures = np.load(folder / f"{width}x{height}.npy", mmap_mode="r")
        texts = json.loads((folder / f"{width}x{height}.json").read_text(encoding="utf-8"))
        captions = [[Caption(text, claims) for text, claims in row] for row in texts]
        buckets.append(Bucket(width, height, pictures, captions))
    return buckets
