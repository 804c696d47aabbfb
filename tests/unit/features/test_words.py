"""Texts as hashed words, in any script."""

import numpy as np
import pytest

from regatta.features.words import text_terms


def shared(*texts: str) -> int:
    """Return how many words and pairs two texts have in common."""
    one, other = text_terms(texts, 100)
    return len(np.intersect1d(one, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("今天天气很好", "明天天气不好"),
        ("私は猫が好き", "私は犬が好き"),
        ("สวัสดีครับ", "สวัสดีค่ะ"),
    ],
)
def test_scripts_without_blanks_have_letters_and_pairs_in_common(one, other):
    assert shared(one, other) >= 5


def test_words_with_blanks_between_them_stay_whole():
    assert shared("very good", "very bad") == 1
    assert shared("한국어 문장", "한국어 책") == 1
    assert shared("good", "goodness") == 0
    assert [len(terms) for terms in text_terms(["buy 新 2"], 100)] == [5]
