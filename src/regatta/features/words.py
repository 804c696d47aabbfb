"""Free text as hashed words: computed row by row, once, so that folds only have to count."""

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MARKS", "Terms", "text_measures", "text_terms"]

Terms = npt.NDArray[np.object_]
MARKS = ("chars", "words", "marks")
# Scripts without blanks between words: Thai to Tibetan, Burmese, Khmer, Japanese, Chinese.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[^\W{_UNSPACED}]+|[{_UNSPACED}]")
_POSITIVE = 0x7FFFFFFF


def text_terms(texts: Sequence[Any], max_words: int) -> Terms:
    """Hash the words and pairs of neighbouring words of each text.

    In scripts that have no blanks between words each letter counts as one, so that pairs of letters
    stand for words.

    Hashing needs no dictionary, so it is the same for a training row and for a served one. With
    31 bits, collisions do not matter. Each term counts once a text: for short texts, presence
    says as much as frequency.

    Parameters
    ----------
    texts : sequence of str or None, of length n_rows
        The texts.
    max_words : int
        Words that are read of each text.

    Returns
    -------
    ndarray of shape (n_rows,), object
        Of each text a sorted int32 array of distinct hashes; None where the text is missing.

    Examples
    --------
    >>> [len(terms) for terms in text_terms(["very good", "good good good"], 100)]
    [3, 2]
    """
    found = np.empty(len(texts), dtype=object)
    crc, words_of = zlib.crc32, _WORD.findall
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            continue
        words = words_of(text.lower())[:max_words]
        terms = {crc(word.encode("utf-8", "replace")) & _POSITIVE for word in words}
        terms.update(
            crc(f"{first} {second}".encode("utf-8", "replace")) & _POSITIVE
            for first, second in pairwise(words)
        )
        found[row] = np.array(sorted(terms), dtype=np.int32)
    return found


def text_measures(texts: Sequence[Any]) -> dict[str, npt.NDArray[np.float32]]:
    """Count characters, words (blanks and one) and exclamation or question marks of each text.

    Parameters
    ----------
    texts : sequence of str or None, of length n_rows
        The texts.

    Returns
    -------
    dict of str to ndarray of shape (n_rows,), float32
        By the names in `MARKS`; NaN where the text is missing.
    """
    counts = [
        (len(text), text.count(" ") + 1, text.count("!") + text.count("?"))
        if isinstance(text, str)
        else (np.nan, np.nan, np.nan)
        for text in texts
    ]
    array = np.array(counts, dtype=np.float32).reshape(len(texts), len(MARKS))
    return {name: array[:, place] for place, name in enumerate(MARKS)}
