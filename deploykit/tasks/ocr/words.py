"""What the rendered pages say: two vocabularies without a common word, so that unseen text is unseen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_CALIBRATION_WORDS = """
about above after again along animal answer basket before better between black bottle bridge broken butter
camera candle carbon carpet castle change circle clever cloud coffee copper corner cotton count cover cream
current danger decide dinner double eager early eight empty engine evening fabric family figure filter
finger flower forest friend garden gentle glass golden grand green harbor heavy hidden honest island jacket
kettle kitchen ladder letter limit listen machine market matter metal middle mirror moment motion mountain
narrow nature needle nine object office orange oxygen paper pencil pepper planet pocket police public purple
quick rabbit random reason record remote result river rubber sample school season second shadow signal
silver simple single
"""

_VALIDATION_WORDS = """
airport anchor apple arrow autumn balance banner battery beacon blanket border bottom bright bronze bucket
button cabin canvas center chain cherry clock column cookie crystal custom daily desert device dollar driver
dynamic eagle effort eleven energy equal escape expert factor famous father field flight follow freight
frozen galaxy ginger global grain guitar hammer hazard height hotel humble hunter image index insect jungle
junior kernel label launch lemon level liquid local lumber magnet marble medium memory mineral minute mobile
module monkey morning museum native network normal notice number ocean option packet panel parcel people
phone pillow pixel power profit quartz quiet radio recipe region rocket sailor saddle sector sensor shelter
"""

VOCABULARY: Mapping[str, tuple[str, ...]] = {
    "calibration": tuple(_CALIBRATION_WORDS.split()),
    "validation": tuple(_VALIDATION_WORDS.split()),
}
PUNCTUATION = (".", ",", ":", "!", "?")


def line_text(rng: np.random.Generator, words: tuple[str, ...], max_characters: int) -> str:
    """Make one line: mostly words (any case, some punctuation), sometimes numbers, dates, prices or codes."""
    kind = rng.integers(10)
    if kind == 0:
        return f"{rng.integers(1, 32):02d}.{rng.integers(1, 13):02d}.{rng.integers(1950, 2050)}"
    if kind == 1:
        return f"{_word(rng, words)} {rng.integers(100)}.{rng.integers(100):02d}"[:max_characters]
    if kind == 2:
        return f"{_code(rng, 2)}-{rng.integers(1000, 10000)}-{_code(rng, 3)}"
    text = _word(rng, words)
    while len(longer := f"{text} {_word(rng, words)}") <= max_characters:
        text = longer
    return text + str(rng.choice(PUNCTUATION)) if kind == 3 and len(text) < max_characters else text


def _word(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    word = words[rng.integers(len(words))]
    return (word, word.capitalize(), word.upper())[rng.choice(3, p=(0.6, 0.25, 0.15))]


def _code(rng: np.random.Generator, length: int) -> str:
    return "".join(chr(ord("A") + index) for index in rng.integers(26, size=length))
