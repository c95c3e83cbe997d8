"""The colours of the world, and how the light of a time of day changes them."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

Rgb = tuple[int, int, int]

INK: dict[str, Rgb] = {
    "red": (224, 48, 46),
    "orange": (247, 137, 24),
    "yellow": (252, 208, 40),
    "green": (46, 160, 74),
    "blue": (44, 104, 226),
    "purple": (136, 66, 190),
    "pink": (248, 128, 178),
    "white": (248, 246, 240),
    "black": (40, 40, 50),
}


@dataclass(frozen=True)
class Paint:
    """One colour in four tones, enough to give a flat drawing its depth."""

    light: Rgb
    base: Rgb
    shade: Rgb
    dark: Rgb


def mix(a: Rgb, b: Rgb, amount: float) -> Rgb:
    """`a` moved towards `b`; amount from 0 to 1."""
    return tuple(round(x + (y - x) * amount) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def dim(colour: Rgb, amount: float) -> Rgb:
    """Less light with the same hue: plain multiplication turns yellow into olive."""
    hue, light, saturation = colorsys.rgb_to_hls(*(c / 255 for c in colour))
    red, green, blue = colorsys.hls_to_rgb(hue, light * amount, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def paint(name: str, time: str) -> Paint:
    """The tones of a subject of that colour at that time of day."""
    base = INK[name]
    if time == "night":
        # A subject must be seen at night: the moon shines on it.
        base = mix(base, (150, 166, 255), 0.08)
    elif time == "sunset":
        base = mix(base, (255, 150, 90), 0.05)
    elif time == "dawn":
        base = mix(base, (255, 220, 226), 0.06)
    if name == "black":
        rim = (150, 156, 196) if time == "night" else (104, 104, 126)
        if time == "night":
            base = (74, 76, 100)  # black on a night sky is a grey
        return Paint(light=rim, base=base, shade=(28, 28, 36), dark=(14, 14, 20))
    if name == "white":
        return Paint(
            light=mix(base, (255, 255, 255), 0.7),
            base=base,
            shade=mix(base, (150, 165, 200), 0.42),
            dark=mix(base, (110, 120, 150), 0.72),
        )
    return Paint(
        light=mix(base, (255, 255, 255), 0.38),
        base=base,
        shade=mix(dim(base, 0.74), mix(base, (0, 0, 0), 0.22), 0.6),
        dark=mix(dim(base, 0.46), mix(base, (0, 0, 0), 0.5), 0.6),
    )
