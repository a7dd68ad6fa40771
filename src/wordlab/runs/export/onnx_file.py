"""A network as an ONNX file, and beside it all else that its use takes, as JSON."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from wordlab.corpus.labelled.lexicon import END, LONGEST_SPELLING, MARKERS, UNKNOWN, WORD, Lexicon
from wordlab.errors import WordlabError
from wordlab.models.taggers.outputs import ScoredTags
from wordlab.runs.export.release import PLAIN, Release
from wordlab.runs.files import write_json, write_whole
from wordlab.runs.tagger_run import TaggerRun

MOST_BYTES = 2**31 - 2**20
"""Of a file in protocol buffers, which ONNX files are."""


def export_onnx(run: TaggerRun, path: str | Path, *, words: str = PLAIN) -> Path:
    """Write a run's network as ONNX, and what goes in and comes out of it as JSON beside it.

    Args:
        path: ends in .onnx; that of the JSON ends in .json.
        words: how the JSON has the list of words: "plain", or "hashed".

    Returns:
        The path of the JSON.

    Raises:
        WordlabError: where the package onnx is missing, the run has no weights yet, or its network
            has no form in ONNX.
    """
    require_onnx()
    from wordlab.models.taggers.onnx_graph import onnx_graph

    file = Path(path)
    release = Release.of(run, words)
    tensors = [*release.model.state_dict().values(), release.model.words.further]
    require_room(tensors, file, "train with vectors of fewer words")
    graph = onnx_graph(release.model)
    return write_network(graph.SerializeToString(), file, _about(run, release, file.name))


def require_onnx() -> None:
    """Raise WordlabError where ONNX files cannot be written."""
    if importlib.util.find_spec("onnx") is None:
        raise WordlabError(
            "writing ONNX needs the package onnx", mend="pip install 'wordlab[onnx]'"
        )


def require_room(tensors: Iterable[Tensor], file: Path, mend: str) -> None:
    """Raise WordlabError where float32 tensors are too large for one file."""
    size = sum(4 * value.numel() for value in tensors)
    if size > MOST_BYTES:
        raise WordlabError(
            f"would have {size / 2**30:.1f} GiB, and a file of ONNX holds 2",
            where=str(file),
            mend=mend,
        )


def write_network(network: bytes, file: Path, about: dict[str, Any]) -> Path:
    """Write a network, and what is to be known of it as JSON beside; return the JSON's path."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WordlabError(error.strerror or str(error), where=str(file)) from None
    write_whole(file, network)
    beside = file.with_suffix(".json")
    write_json(beside, about)
    return beside


def _about(run: TaggerRun, release: Release, network: str) -> dict[str, Any]:
    """Everything but the network, in plain values."""
    output, tags = release.model.output, run.tag_set
    assert isinstance(output, ScoredTags)
    links, begins, ends = (values.tolist() for values in output.transitions())
    return {
        "network": network,
        "inputs": _inputs(release.lexicon),
        "outputs": {"scores": "float32 [sentences, words, tags]: of each tag of each word"},
        "output": run.settings.output.type,
        "temperature": output.temperature,
        "scheme": tags.scheme,
        "types": list(tags.types),
        "tags": list(tags.tags),
        "links": links,
        "begins": begins,
        "ends": ends,
        "legal": {
            "links": tags.legal.tolist(),
            "begins": tags.may_begin.tolist(),
            "ends": tags.may_end.tolist(),
        },
        **_numbers(release.lexicon),
    }


def _inputs(lexicon: Lexicon) -> dict[str, str]:
    names = ", ".join(lexicon.columns)
    inputs = {
        "features": f"int64 [sentences, words, {len(lexicon.columns)}]: the numbers of {names}; "
        f"behind the last word of a shorter sentence, {END} in all"
    }
    if lexicon.letters:
        inputs["letters"] = (
            "int64 [sentences, words, letters]: the numbers of a word's characters, -1 behind the "
            f"last; of a word of more than {LONGEST_SPELLING}, its first and last "
            f"{LONGEST_SPELLING // 2}"
        )
    return inputs


def _numbers(lexicon: Lexicon) -> dict[str, Any]:
    """The values of each feature in the order of their numbers."""
    columns = {name: list(values) for name, values in lexicon.columns.items()}
    columns[WORD] += lexicon.further
    return {
        "unknown": UNKNOWN,
        "padding": END,
        "first": MARKERS,
        "form": lexicon.form,
        "columns": columns,
        "letters": lexicon.letters,
        "hashing": None if lexicon.hashing is None else lexicon.hashing.as_json(),
    }
