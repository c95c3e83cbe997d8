"""What can be chosen beside the prompt: ordinary Gradio components, read by `live.js`."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ...schemas import MAX_PROMPT_CHARACTERS, MAX_SEED, Limits

STEP_CHOICES = (1, 2, 4, 8)  # all that SDXL-Lightning was distilled for
GUIDANCE_TOP = 2.0
BUDGETS = (0, 100, 200, 400, 800)  # ms; 0: no drafts
FIRST_SEED = 42  # the same first picture for every visitor


@dataclass(frozen=True)
class Controls:
    """The components, in the order in which `live.js` is told their values."""

    negative_prompt: gr.Textbox
    num_inference_steps: gr.Radio
    size: gr.Radio
    guidance_scale: gr.Slider
    seed: gr.Number
    seed_lock: gr.Checkbox
    budget: gr.Radio

    def in_order(self) -> list[gr.components.Component]:
        """All of them."""
        return [
            self.negative_prompt,
            self.num_inference_steps,
            self.size,
            self.guidance_scale,
            self.seed,
            self.seed_lock,
            self.budget,
        ]


def control_panel(
    limits: Limits, latency_budget: float, *, submit_on_enter: bool
) -> tuple[Controls, gr.Button]:
    """The panel beside the picture, and its dice.

    Args:
        latency_budget: the one that a visitor begins with, ms.
        submit_on_enter: there are no drafts, and so no budget to choose.
    """
    with gr.Column(elem_id="controls"):
        steps = gr.Radio(
            [(str(steps), steps) for steps in sorted({*STEP_CHOICES, *limits.num_inference_steps})],
            value=limits.default_steps,
            label="Steps",
            elem_id="steps",
            elem_classes="segments",
        )
        size = gr.Radio(
            [(f"{width} × {height}", f"{width}x{height}") for width, height in limits.sizes],
            value="{}x{}".format(*limits.sizes[0]),
            label="Size",
            elem_id="size",
            elem_classes="segments",
        )
        with gr.Row(elem_id="seed-row"):
            seed = gr.Number(
                FIRST_SEED,
                label="Seed",
                minimum=0,
                maximum=MAX_SEED,
                precision=0,
                elem_id="seed",
                min_width=0,
                scale=4,
            )
            lock = gr.Checkbox(
                True, label="Lock", elem_id="seed-lock", min_width=0, scale=1, container=False
            )
            dice = gr.Button("Roll", elem_id="dice", min_width=0, scale=1)
        guidance = gr.Slider(
            0.0,
            GUIDANCE_TOP,
            value=0.0,
            step=0.1,
            label="Guidance",
            info="Above 1 every step is computed twice.",
            elem_id="guidance",
        )
        negative = gr.Textbox(
            label="Negative prompt",
            info="Acts only when guidance is above 1.",
            placeholder="What should not be there",
            lines=1,
            max_lines=1,
            max_length=MAX_PROMPT_CHARACTERS,
            elem_id="negative",
        )
        budget = gr.Radio(
            [(f"{ms:g}" if ms else "off", ms) for ms in sorted({*BUDGETS, latency_budget})],
            value=latency_budget,
            label="Latency budget, ms",
            info="A picture that would take longer is drafted while you type.",
            elem_id="budget",
            elem_classes="segments",
            visible=not submit_on_enter,
        )
    return Controls(negative, steps, size, guidance, seed, lock, budget), dice
