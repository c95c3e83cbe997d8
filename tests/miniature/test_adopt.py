"""A release's files begin a run: what is taken as it is, and what a stage goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPTokenizer

from lightning_demo.miniature import architecture
from lightning_demo.miniature.adopt import adopt_autoencoder, adopt_teacher
from lightning_demo.miniature.architecture import build_components, save_model
from lightning_demo.miniature.config import TrainingConfig
from lightning_demo.miniature.stage_files import load_stage, start_of
from lightning_demo.miniature.tokenizer import save_tokenizer
from lightning_demo.miniature.training_run import TrainingRun

CONFIG = TrainingConfig(threads=1)


@pytest.mark.usefixtures("narrow")
def test_an_exported_autoencoder_begins_a_run(tmp_path: Path):
    theirs = build_components(1000, seed=5)
    save_model(tmp_path / "exported", theirs)
    run = tmp_path / "run"
    assert adopt_autoencoder(tmp_path / "exported", run) == ["autoencoder", "decoder", "preview"]
    mine = build_components(1000)
    assert load_stage(run, "autoencoder", {"vae": mine.vae})
    assert load_stage(run, "preview", {"decoder": mine.preview.decoder})
    same(mine.vae, theirs.vae)
    same(mine.preview.decoder, theirs.preview.decoder)
    assert load_stage(run, "decoder", {"decoder": mine.vae.decoder})
    same(mine.vae, theirs.vae)


@pytest.mark.usefixtures("narrow")
def test_of_an_exported_model_with_other_decoders_only_the_encoder_is_taken(tmp_path: Path):
    theirs = build_components(1000, seed=5)
    with pytest.MonkeyPatch.context() as patch:  # as those that painted 128 px
        patch.setattr(architecture, "DECODER_BLOCKS", (1, 1, 1, 0))
        patch.setattr(architecture, "PREVIEW_BLOCKS", (1, 1, 1, 0))
        theirs.vae.decoder = architecture.build_vae().decoder
        theirs.vae.register_to_config(
            decoder_block_out_channels=(8,) * 4, num_decoder_blocks=(1, 1, 1, 0)
        )
        theirs.preview = architecture.build_preview()
    save_model(tmp_path / "exported", theirs)
    assert adopt_autoencoder(tmp_path / "exported", tmp_path) == ["autoencoder"]
    mine = build_components(1000)
    start = {k: v.clone() for k, v in mine.vae.state_dict().items()}
    assert load_stage(tmp_path, "autoencoder", {"vae": mine.vae})
    same(mine.vae.encoder, theirs.vae.encoder)
    assert mine.vae.state_dict().keys() == start.keys()
    assert not load_stage(tmp_path, "preview", {"decoder": mine.preview.decoder})


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("blocks", [(2, 1, 1, 1, 0), (2, 0, 1, 1, 0)], ids=["fewer", "none"])
def test_a_deeper_decoder_goes_on_from_one_of_fewer_blocks(tmp_path: Path, blocks: tuple[int, ...]):
    theirs = build_components(1000, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architecture, "DECODER_BLOCKS", blocks)
        theirs.vae.decoder = architecture.build_vae().decoder
        theirs.vae.register_to_config(num_decoder_blocks=blocks)
    for parameter in theirs.vae.decoder.parameters():  # else its blocks add nothing
        torch.nn.init.normal_(parameter, std=0.2)
    save_model(tmp_path / "exported", theirs)
    assert adopt_autoencoder(tmp_path / "exported", tmp_path) == ["autoencoder", "preview"]
    mine = architecture.build_vae().decoder
    assert not load_stage(tmp_path, "decoder", {"decoder": mine})
    assert load_stage(tmp_path, start_of("decoder"), {"decoder": mine}) == (0 not in blocks[:-1])
    if 0 in blocks[:-1]:
        return  # a first block would change what an enlargement leaves
    latents = torch.randn(1, 4, 4, 4)
    with torch.no_grad():
        wanted = theirs.vae.decoder.half().float()(latents)
        assert torch.equal(mine(latents), wanted)
    assert len(mine.layers) > len(theirs.vae.decoder.layers)


def same(module: torch.nn.Module, exported: torch.nn.Module) -> None:
    """Has the weights of the other one, which were written in half precision."""
    for name, value in exported.state_dict().items():
        assert torch.equal(module.state_dict()[name], value.half().float()), name


@pytest.mark.usefixtures("narrow")
def test_encoders_of_other_words_begin_with_those_that_both_know(tmp_path: Path):
    exported, run = tmp_path / "exported", tmp_path / "run"
    save_tokenizer(tmp_path / "words", ["cat", "unicorn"])
    theirs = CLIPTokenizer.from_pretrained(tmp_path / "words").get_vocab()
    old = build_components(len(theirs), seed=5)
    save_model(exported, old)
    save_tokenizer(exported / "base" / "tokenizer", ["cat", "unicorn"])
    with pytest.raises(ValueError, match="exported knows other words"):
        adopt_teacher(exported, run, finished=True)
    assert not (run / "teacher.pt").exists()
    adopt_teacher(exported, run)
    training = TrainingRun(run, config=CONFIG)
    words = training.tokenizer.get_vocab()
    assert not load_stage(run, "text", training.encoders.modules)
    assert load_stage(run, start_of("text"), training.encoders.modules)
    fresh = build_components(len(words)).text_encoder
    mine, known, new = (
        model.get_input_embeddings().weight
        for model in (training.encoders.first, old.text_encoder, fresh)
    )
    assert torch.equal(mine[words["cat</w>"]], known[theirs["cat</w>"]].half().float())
    assert torch.equal(mine[words["dog</w>"]], new[words["dog</w>"]])
    for name, value in old.text_encoder.state_dict().items():
        if "token_embedding" not in name:
            assert torch.equal(training.encoders.first.state_dict()[name], value.half().float()), (
                name
            )
