"""The page's components take no files, and fetch none for anybody.

Where a client sends the address of a file in place of a text, Gradio would have this server fetch
it before it finds out that a text box takes none.
"""

from __future__ import annotations

from typing import NoReturn

import gradio as gr


def take_no_files(blocks: gr.Blocks) -> None:
    """Of all components of a page that is complete; ours show none either."""
    for block in blocks.blocks.values():
        # On the object: each kind of component would need a class of its own.
        vars(block)["async_move_resource_to_block_cache"] = _refuse
        vars(block)["move_resource_to_block_cache"] = _refuse_at_once


async def _refuse(place: object) -> NoReturn:
    """
    Raises:
        Error: always; Gradio tells whoever has asked, and the log has no traceback of it.
    """
    _refuse_at_once(place)


def _refuse_at_once(place: object) -> NoReturn:
    raise gr.Error("This page takes no files.", print_exception=False)
