"""Long prompts in chunks: where each ends, and what is not read."""

from __future__ import annotations

from lightning_demo.model.token_chunks import MAX_CHUNKS, Chunks, in_chunks


def words(prompt: str, size: int = 4) -> Chunks:
    """In which each letter is a token."""
    return in_chunks(prompt, lambda text: [ord(c) for c in text if c != " "], size, ord(","))


def read(prompt: str, size: int = 4) -> list[str]:
    chunks = words(prompt, size).chunks
    return ["".join(chr(token.number) for token in chunk) for chunk in chunks]


def test_what_fits_is_one_chunk():
    assert read("") == [""] and read("abcd") == ["abcd"]
    assert words("abcd").plain and words("").plain
    assert not words("ab (c)").plain and not words("abcde").plain


def test_a_full_chunk_ends_after_the_last_comma_near_its_end():
    assert read("abcdefgh") == ["abcd", "efgh"]
    assert read("ab,cdefg") == ["ab,", "cdef", "g"]
    assert read(",bcdefg") == [",bcd", "efg"]  # a comma alone would be a waste
    far = "," + "b" * 40
    assert read("a" + far, 30) == ["a," + "b" * 28, "b" * 12]  # too far from the end


def test_what_is_beyond_the_last_chunk_is_counted():
    found = words("a" * (4 * MAX_CHUNKS + 3))
    assert len(found.chunks) == MAX_CHUNKS and found.cut == 3


def test_weights_stay_with_their_tokens_across_chunks():
    found = words("abc(de:2)f")
    assert [[token.weight for token in chunk] for chunk in found.chunks] == [[1, 1, 1, 2], [2, 1]]
