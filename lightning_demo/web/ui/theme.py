"""The look: a theme from Gradio's tokens, light and dark; rules in `assets/web` do the rest."""

from __future__ import annotations

import gradio as gr

# Warm paper and ink; the only colour is the spark.
PAPER = gr.themes.Color(
    c50="#faf9f7",
    c100="#f3f1ed",
    c200="#e6e3dc",
    c300="#d2cec4",
    c400="#a8a398",
    c500="#7d786d",
    c600="#5c584f",
    c700="#3f3c36",
    c800="#26241f",
    c900="#1a1916",
    c950="#121110",
    name="paper",
)
SPARK = gr.themes.Color(
    c50="#fff9e8",
    c100="#fff0c2",
    c200="#ffe38a",
    c300="#ffd452",
    c400="#fac42b",
    c500="#eeb00f",
    c600="#c98a04",
    c700="#9a6606",
    c800="#73490c",
    c900="#4c300b",
    c950="#2e1c05",
    name="spark",
)
# Token: in the light, in the dark.
COLOURS = {
    "body_background_fill": ("*neutral_100", "*neutral_950"),
    "body_text_color": ("*neutral_900", "*neutral_100"),
    "body_text_color_subdued": ("*neutral_600", "*neutral_400"),
    "background_fill_primary": ("*neutral_100", "*neutral_950"),
    "background_fill_secondary": ("*neutral_100", "*neutral_950"),
    "border_color_primary": ("*neutral_200", "*neutral_800"),
    "border_color_accent": ("*primary_500", "*primary_400"),
    "block_background_fill": ("*neutral_100", "*neutral_950"),
    "block_title_text_color": ("*neutral_900", "*neutral_100"),
    "block_info_text_color": ("*neutral_600", "*neutral_400"),
    "input_background_fill": ("white", "*neutral_900"),
    "input_border_color": ("*neutral_300", "*neutral_700"),
    "input_border_color_focus": ("*neutral_900", "*primary_400"),
    "slider_color": ("*neutral_900", "*primary_400"),
    "button_primary_background_fill": ("*neutral_900", "*primary_400"),
    "button_primary_background_fill_hover": ("*neutral_800", "*primary_300"),
    "button_primary_border_color": ("transparent", "transparent"),
    "button_primary_text_color": ("white", "*neutral_950"),
    "button_secondary_background_fill": ("white", "*neutral_900"),
    "button_secondary_background_fill_hover": ("*neutral_50", "*neutral_800"),
    "button_secondary_border_color": ("*neutral_300", "*neutral_700"),
    "button_secondary_border_color_hover": ("*neutral_500", "*neutral_500"),
    "button_secondary_text_color": ("*neutral_900", "*neutral_100"),
}
TOKENS = {
    "color_accent": "*primary_500",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "8px 0",
    "block_label_background_fill": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_size": "*text_sm",
    "block_title_text_size": "*text_sm",
    "block_title_text_weight": "400",
    "block_info_text_size": "12.5px",
    "form_gap_width": "0px",
    "input_border_width": "1px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_padding": "8px 12px",
    "input_text_size": "*text_md",
    "button_border_width": "1px",
    "button_large_text_size": "14px",
    "button_large_text_weight": "400",
    "button_large_padding": "8px 14px",
    "button_transition": "background-color 80ms, border-color 80ms",
    "shadow_drop": "none",
    "shadow_drop_lg": "none",
}


def theme() -> gr.themes.Base:
    """Our theme. Its fonts come with Gradio, so nothing is fetched from elsewhere.

    Regular and bold only: Gradio's files for the weights between them lack the Latin letters.
    """
    sans = gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700))
    mono = gr.themes.LocalFont("IBM Plex Mono", weights=(400,))
    base = gr.themes.Base(
        primary_hue=SPARK,
        secondary_hue=SPARK,
        neutral_hue=PAPER,
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
        font=(sans, "system-ui", "sans-serif"),
        font_mono=(mono, "ui-monospace", "monospace"),
    )
    light = {name: colour for name, (colour, _) in COLOURS.items()}
    dark = {f"{name}_dark": colour for name, (_, colour) in COLOURS.items()}
    return base.set(**light, **dark, **TOKENS)
