"""Texts to find each other by: WordNet's explanations (glosses) of nouns, and the nouns.

From Debian's package ``wordnet-base``. A sample is a pair, so that any first few samples are a complete task.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.network import Judge

__all__ = ["FILE", "TOKENS", "pairs", "recall", "tokenized"]

Array = NDArray[Any]

FILE = Path("/usr/share/wordnet/data.noun")
TOKENS = 32


def pairs(count: int, skip: int = 0, seed: int = 0) -> list[tuple[str, str]]:
    """So many (gloss, noun), chosen at random, the first ``skip`` left out; every noun once, without its examples.

    The noun is the first of those that share the gloss.
    """
    found: dict[str, str] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("  "):  # the licence
            data, _, gloss = line.partition("|")
            found.setdefault(data.split()[4].replace("_", " "), gloss.split(";")[0].strip())
    nouns = list(found)
    chosen = np.random.default_rng(seed).permutation(len(nouns))[skip : skip + count]
    return [(found[nouns[number]], nouns[number]) for number in chosen]


def tokenized(texts: list[tuple[str, str]], tokenizer: Path) -> dict[str, Array]:
    """``tokens`` and ``mask`` (1 where there is a token), int64 (samples, 2, 32), cut or filled up with zeros."""
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(tokenizer))
    reader.enable_truncation(TOKENS)
    reader.enable_padding(length=TOKENS)
    read = [reader.encode_batch(list(pair)) for pair in texts]
    return {
        "tokens": np.array([[text.ids for text in pair] for pair in read]),
        "mask": np.array([[text.attention_mask for text in pair] for pair in read]),
    }


def recall(count: int) -> Judge:
    """Judge: whether the gloss's own noun is among the so many nearest, by cosine, of all nouns of the samples.

    Outputs are (samples, 2, width): gloss and noun, of length one. A noun that is as near as the own one counts as
    nearer. With fewer samples there are fewer nouns to confuse.
    """

    def judge(outputs: Array, expected: Array) -> Array:
        likeness = outputs[:, 0] @ outputs[:, 1].T
        place = (likeness >= np.diag(likeness)[:, None]).sum(1)  # 1 is the nearest; 0 where it is not a number
        return ((place >= 1) & (place <= count)).astype(np.float64)

    return judge
