"""Writes what an evaluation measured into the model card, as a table and a plot."""

from __future__ import annotations

import json
from pathlib import Path

from .suites import BEST, MODELS

START, END = "<!-- evaluation:start -->", "<!-- evaluation:end -->"
COLUMNS = (
    ("one_subject", "one subject", "{:.0%}"),
    ("two_subjects", "two subjects", "{:.0%}"),
    ("counts", "counts", "{:.0%}"),
    ("bare_prompts", "bare prompts", "{:.0%}"),
    ("sharpness", "sharpness", "{:.2f}"),
)
# What sees form comes first. Columns that were not measured are left out; these keys are the
# report's own, and have a row for the reconstruction too.
LEADING = (
    ("sentence_nn", "sentence NN", "{:.2f}"),
    ("sentence_diversity", "its diversity", "{:.2f}"),
    ("imagenet_precision", "precision", "{:.2f}"),
    ("imagenet_recall", "recall", "{:.2f}"),
)
PLOTTED = COLUMNS[:4]  # the shares of right pictures
LABELS = {"teacher": "teacher, 32 + guidance", "1": "1 step"}
README_LEADING = (
    ("sentence_nn", "how far from the nearest drawing of the same sentence", "{:.2f}"),
    ("sentence_diversity", "how varied, beside such drawings", "{:.2f}"),
    ("imagenet_precision", "among drawings, to a network that knows photographs", "{:.0%}"),
    ("imagenet_recall", "drawings among its pictures, to the same network", "{:.0%}"),
)
README_SHARES = (
    ("one_subject", "one thing, its colour, place and time"),
    ("two_subjects", "two things, each in its own colour, in order"),
    ("counts", "two or three of a kind"),
    ("bare_prompts", 'one word ("a cat")'),
)


def table(report: dict) -> str:  # type: ignore[type-arg]
    """The scores as a Markdown table, one row per model, led by what sees form."""
    leading = [column for column in LEADING if report.get(column[0])]
    titles = [title for _, title, _ in (*leading, *COLUMNS)]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]

    def row(title: str, name: str, rest: list[str]) -> str:
        cells = [pattern.format(report[key][name]) for key, _, pattern in leading]
        return f"| {title} | " + " | ".join(cells + rest) + " |"

    for name, score in report["models"].items():
        steps, _, kind = name.partition("-")
        title = LABELS.get(steps, f"{steps} steps") + (", whole UNet" if kind else "")
        rest = [pattern.format(score[key]) for key, _, pattern in COLUMNS]
        lines.append(row(title, name, rest))
    if leading:
        lines.append(row("renders, through the autoencoder", BEST, [""] * len(COLUMNS)))
    return "\n".join(lines)


def readme_table(report: dict) -> str:  # type: ignore[type-arg]
    """The README's table: a row per measure, led by what sees form; a column per model."""
    names = [*MODELS, BEST]
    lines = [
        "| | 1 step | 2 | 4 | 8 | teacher, 32 | autoencoder |",
        "| --- |" + " ---: |" * len(names),
    ]
    rows = [(title, report[k], pattern) for k, title, pattern in README_LEADING if report.get(k)]
    rows += [(title, report[key], "{:.0%}") for key, title in README_SHARES]
    rows.append(("on one CPU core", report["one_core_ms"], "{:.0f} ms"))
    for title, values, pattern in rows:
        cells = [pattern.format(values[name]) if name in values else "" for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(report: dict, path: Path) -> None:  # type: ignore[type-arg]
    """Share of right pictures over steps, the teacher's last; beside it the form, if measured."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    form = report.get("sentence_nn")
    figure = Figure(figsize=(9 if form else 6.4, 3), layout="constrained", dpi=110)
    axes = figure.subplots(1, 2 if form else 1, squeeze=False)[0]
    for key, title, _ in PLOTTED:
        axes[0].plot(MODELS, [report[key][name] for name in MODELS], "o-", label=title)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    axes[0].set_title("all that was asked is there")
    axes[0].legend(frameon=False)
    if form:
        axes[1].plot(MODELS, [form[name] for name in MODELS], "ko-")
        axes[1].axhline(form[BEST], linestyle=":", color="k")
        axes[1].set_ylim(bottom=0)
        axes[1].set_title("distance to the nearest drawing; dotted: drawings")
    for axis in axes:
        axis.set_xlabel("steps")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    figure.savefig(path)


def block(report: dict) -> str:  # type: ignore[type-arg]
    """What stands between the two marks of the card."""
    prompts, judge, four = report["prompts"], report["judge_accuracy"], report["models"]["4"]
    return f"""{START}
{table(report)}

![Share of pictures that show all that was asked, by number of steps](evaluation/evaluation.png)

{_form(report)}\
{prompts["one_subject"]} prompts with one subject (all of subject, colour, place and time right),
{prompts["two_subjects"]} with two (both subjects, both colours, in order; at 4 steps both subjects
are there, in whatever order, in {four["pair_names"]:.0%}, both colours in
{four["pair_colours"]:.0%}), {prompts["counts"]} with two or three of a kind,
{prompts["bare_prompts"]} of one word. Every combination of subject, colour
and place was kept out of training (`held_out.txt`). The judge is a classifier trained on renders;
of fresh held-out renders it tells everything right in {judge["one"]:.1%} (one), {judge["pair"]:.1%}
(two) and {judge["counts"]:.1%} (counts). Sharpness is relative to renders. The autoencoder keeps
{report["autoencoder_psnr_db"]:.1f} dB of held-out renders. On one CPU core a picture takes
{_speeds(report)}.
{END}"""


def _form(report: dict) -> str:  # type: ignore[type-arg]
    """What the leading columns mean; nothing for a report that has none."""
    if not report.get("sentence_nn"):
        return ""
    four, best = report["sentence_nn_sigmas"]["4"], report["sentence_nn"][BEST]
    text = f"""\
Sentence NN: how far a picture is from the nearest of 160 renders of its own sentence, in the
autoencoder's latents where the thing stands; lower is nearer, every subject has as many prompts,
and one more render through the autoencoder has {best:.2f}. It sees lumps, to which the shares are
blind: 4 steps are {four:.0f} standard errors away from renders. It forgives softness and sameness;
diversity, of the same latents relative to renders, and precision do not.
"""
    if report.get("imagenet_precision"):
        text += """\
Precision is the share of pictures that lie among renders, recall of renders among pictures (arXiv
1904.06991, k = 3), in features of a network that has seen only photographs.
"""
    return text + "\n"


def _speeds(report: dict) -> str:  # type: ignore[type-arg]
    parts = [f"{ms:.0f} ms at {steps}" for steps, ms in report["one_core_ms"].items()]
    return f"{', '.join(parts[:-1])} and {parts[-1]} steps"


def write_card(folder: Path, report: dict) -> None:  # type: ignore[type-arg]
    """Writes evaluation/evaluation.json and .png and the card's block; the marks must be there."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    card.write_text(before + block(report) + after, encoding="utf-8")
    out = folder / "evaluation"
    out.mkdir(exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    plot(report, out / "evaluation.png")
