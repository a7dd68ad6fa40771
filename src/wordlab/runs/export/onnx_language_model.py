"""A language model's network as an ONNX file, and beside it its vocabulary, as JSON."""

import json
from pathlib import Path
from typing import Any

from wordlab.batching.sequences import Stream
from wordlab.batching.windows import Windows
from wordlab.errors import WordlabError
from wordlab.models.language_model import CountModel, LanguageModel
from wordlab.runs.export.onnx_file import require_onnx, require_room, write_network
from wordlab.runs.model_files import MEMBERS
from wordlab.runs.run import Run

OF_WINDOWS = (
    "words: the numbers of the n - 1 words before each word that is to be predicted, `opening` in "
    "place of those before the sentence; log_probs: the natural logarithm of each word's "
    "probability of coming next."
)
OF_SEQUENCES = (
    "words: numbers of words, sequences of one length, or of several with anything behind the "
    "shorter ones; the first word of a text is preceded by `opening`, which is read in its place. "
    "State (h1, c1 ...): zeros at the beginning, later what came out as h1_after, c1_after ... . "
    "log_probs [s, t]: the natural logarithm of each word's probability of coming after word t."
)


def export_onnx_model(run: Run, path: str | Path) -> Path:
    """Write a run's network as ONNX, and how it is used and its vocabulary as JSON beside it.

    Args:
        path: ends in .onnx; that of the JSON ends in .json.

    Returns:
        The path of the JSON.

    Raises:
        WordlabError: where the package onnx is missing, the run has no weights yet, or its model
            has no form in ONNX.
    """
    require_onnx()
    import onnx

    from wordlab.models.onnx_graph import onnx_graph

    file, model = Path(path), _network(run)
    require_room(model.state_dict().values(), file, "train with fewer words or units")
    graph = onnx_graph(model)
    about = _about(run, file.name)
    said = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about}
    onnx.helper.set_model_props(graph, said)
    words = {"words": list(run.vocabulary.words)}
    return write_network(graph.SerializeToString(), file, {**dict(about), **words})


def _network(run: Run) -> LanguageModel:
    """The run's model, if it is a network."""
    if isinstance(run.model, LanguageModel):
        return run.model
    if isinstance(run.model, CountModel):
        raise WordlabError(
            f"a model of type {run.settings.model.type} is counted, and has no form in ONNX",
            where=str(run.path),
            mend="write it as ARPA, for KenLM, SRILM and others: wordlab arpa write",
        )
    raise WordlabError(
        "is a mixture, which has no form in ONNX",
        where=str(run.path),
        mend=f"export each network in {run.path / MEMBERS}, and mix their probabilities with the "
        "weights of mixture.json",
    )


def _about(run: Run, network: str) -> list[tuple[str, Any]]:
    """All but the words; it stands in the file itself, too."""
    model, vocabulary = run.network, run.vocabulary
    windows = isinstance(model.reading, Windows)
    opening = vocabulary.end if isinstance(model.reading, Stream) else vocabulary.start
    return [
        ("network", network),
        ("use", OF_WINDOWS if windows else OF_SEQUENCES),
        ("protocol", model.reading.protocol),
        ("fewest_words", model.reading.fewest_words),
        ("opening", opening),
        ("unknown", vocabulary.unknown),
        ("start", vocabulary.start),
        ("end", vocabulary.end),
        ("form", run.settings.text.form),
        ("weights", model.weights_kept),
        ("vocabulary", vocabulary.hash),
    ]
