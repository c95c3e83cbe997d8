"""What can be chosen beside the prompt: ordinary Gradio components, read by `controls.js`.

Their words are keys (`words.py`).
"""

from __future__ import annotations

import gradio as gr

from ...schemas import MAX_PROMPT_CHARACTERS, MAX_SEED, STEP_COUNTS, Limits

GUIDANCE_TOP = 2.0
BUDGETS = (0, 100, 200, 400, 800)  # ms; 0: no drafts
# The same first picture for every visitor. Of 48 seeds one of the three from which the miniature
# draws its sixteen things best, by sentence nearest neighbour (.17; all .22).
FIRST_SEED = 2

# What a first visitor does not need is in a drawer below, which `drawer.js` opens.
DRAWER = (
    '<button type="button" id="drawer-open" aria-expanded="false" aria-controls="drawer">'
    '<span data-text="drawer.more"></span> <span id="drawer-says"></span></button>'
)

# Every control by what it chooses, with the elem_id of its component; the page's script is told.
CONTROLS = {
    "prompt": "prompt",
    "negative_prompt": "negative",
    "num_inference_steps": "steps",
    "size": "size",
    "guidance_scale": "guidance",
    "seed": "seed",
    "seed_lock": "seed-lock",
    "budget": "budget",
    "style": "style",
}


def control_panel(limits: Limits, latency_budget: float, *, drafts: bool) -> None:
    """The panel beside the picture; `interactive` where Gradio has no event to tell that by.

    Args:
        latency_budget: the one that a visitor begins with, ms.
        drafts: whether there are any, and so a budget to choose.
    """
    with gr.Column(elem_id="controls"):
        gr.Radio(
            [(str(steps), steps) for steps in sorted({*STEP_COUNTS, *limits.num_inference_steps})],
            value=limits.default_steps,
            label="page.steps",
            elem_id=CONTROLS["num_inference_steps"],
            interactive=True,
            elem_classes="segments",
        )
        gr.Radio(
            [(f"{width} × {height}", f"{width}x{height}") for width, height in limits.sizes],
            value="{}x{}".format(*limits.sizes[0]),
            label="page.size",
            elem_id=CONTROLS["size"],
            interactive=True,
            elem_classes="segments",
        )
        with gr.Row(elem_id="seed-row"):
            gr.Number(
                FIRST_SEED,
                label="page.seed",
                minimum=0,
                maximum=MAX_SEED,
                precision=0,
                elem_id=CONTROLS["seed"],
                interactive=True,
                min_width=0,
                scale=4,
            )
            gr.Checkbox(
                True,
                label="page.lock",
                elem_id=CONTROLS["seed_lock"],
                interactive=True,
                min_width=0,
                scale=1,
                container=False,
            )
            gr.Button("page.roll", elem_id="dice", min_width=0, scale=1)
        gr.HTML(DRAWER, elem_id="drawer-line")
        with gr.Column(elem_id="drawer"):
            gr.Slider(
                0.0,
                GUIDANCE_TOP,
                value=0.0,
                step=0.1,
                label="page.guidance",
                info="page.guidance.info",
                elem_id=CONTROLS["guidance_scale"],
                interactive=True,
            )
            gr.Textbox(
                label="page.negative",
                info="page.negative.info",
                placeholder="page.negative.placeholder",
                lines=1,
                max_lines=1,
                max_length=MAX_PROMPT_CHARACTERS,
                elem_id=CONTROLS["negative_prompt"],
                interactive=True,
            )
            gr.Radio(
                [
                    (f"{ms:g}" if ms else "page.off", ms)
                    for ms in sorted({*BUDGETS, latency_budget})
                ],
                value=latency_budget,
                label="page.budget",
                info="page.budget.info",
                elem_id=CONTROLS["budget"],
                interactive=True,
                elem_classes="segments",
                visible=drafts,
            )
