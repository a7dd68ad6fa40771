"""The component of spaCy's pipelines finds what the run finds, in the Doc's own tokens."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wordlab.corpus.labelled.doctor import read_labelled
from wordlab.corpus.labelled.schemes import SCHEMES
from wordlab.errors import WordlabError
from wordlab.runs.tagger_run import TaggedSentence, TaggerRun
from wordlab.samples import entities
from wordlab.sklearn import EntityTagger

spacy = pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'wordlab[spacy]'")

ROOT = Path(__file__).parents[1]
TEXT = "Ada Lovelace visited Turin with Acme Corp ."
SETTINGS = {
    "features": {"words": 16},
    "model": {"hidden": [32]},
    "training": {"epochs": 8, "batch": 96},
}

Found = list[tuple[int, int, str]]


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> EntityTagger:
    """A tagger that learned from the sample, as scikit-learn has it; its run is kept."""
    folder = tmp_path_factory.mktemp("spacy")
    (folder / "entities.iob2").write_text(entities())
    sentences = read_labelled([folder / "entities.iob2"])
    tags = [SCHEMES["IOB2"].tags(s.spans, len(s.words)) for s in sentences]
    made = EntityTagger(SETTINGS, scheme="IOB2", run=folder / "run")
    return made.fit([list(s.words) for s in sentences], tags)


@pytest.fixture(scope="module")
def run(estimator: EntityTagger) -> TaggerRun:
    return TaggerRun.load(estimator.run)


def pipeline(run: TaggerRun, *before: str, **config: Any) -> Any:
    """A blank pipeline with the component behind others."""
    import wordlab.spacy  # noqa: F401

    nlp = spacy.blank("en")
    for name in before:
        nlp.add_pipe(name)
    nlp.add_pipe("wordlab_tagger", config={"run": str(run.path), **config})
    return nlp


def in_characters(doc: Any) -> Found:
    return [(e.start_char, e.end_char, e.label_) for e in doc.ents]


def scores(doc: Any, key: str = "wordlab") -> list[float]:
    found = doc.spans[key].attrs["scores"].tolist()
    assert len(found) == len(doc.spans[key])
    return list(found)


def probabilities(sentences: list[TaggedSentence]) -> Any:
    return pytest.approx([e.probability for s in sentences for e in s.entities], rel=1e-4)


def test_the_run_scikit_learn_and_spacy_agree(run: TaggerRun, estimator: EntityTagger) -> None:
    (own,) = run.tag(TEXT)
    expected = [(e.start, e.end, e.type) for e in own.entities]
    assert expected
    doc = pipeline(run)(TEXT)
    assert [token.text for token in doc] == TEXT.split()
    assert in_characters(doc) == expected
    assert [(s.start_char, s.end_char, s.label_) for s in doc.spans["wordlab"]] == expected
    assert scores(doc) == probabilities([own])
    (tagged,) = estimator.tag([TEXT.split()])
    assert [(e.start, e.end, e.type) for e in tagged.entities] == expected
    tags = [t.ent_iob_ + "-" * bool(t.ent_type_) + t.ent_type_ for t in doc]
    assert estimator.predict([TEXT.split()]) == [tags]


def test_white_space_is_not_read(run: TaggerRun) -> None:
    nlp = pipeline(run)
    plain = nlp(TEXT)
    spaced = nlp("\n " + TEXT.replace(" ", " \n\t ").replace("Ada ", "Ada  ") + "\n")
    assert len(spaced) > len(plain)
    assert [e.text.split() for e in spaced.ents] == [e.text.split() for e in plain.ents]
    assert not any(e[0].is_space or e[-1].is_space for e in spaced.ents)
    assert scores(spaced) == pytest.approx(scores(plain))
    for text in ("", " ", "\n\n"):
        doc = nlp(text)
        assert doc.ents == ()
        assert scores(doc) == []


def test_sentences_of_the_doc_are_kept_apart(run: TaggerRun) -> None:
    words = f"{TEXT} {TEXT}".split()
    apart = run.tag([TEXT, TEXT])
    together = run.tag([words])
    nlp = pipeline(run)
    doc = spacy.tokens.Doc(nlp.vocab, words=words)
    assert not doc.has_annotation("SENT_START")
    assert scores(nlp(doc)) == probabilities(together)
    starts = [at in (0, len(words) // 2) for at in range(len(words))]
    doc = spacy.tokens.Doc(nlp.vocab, words=words, sent_starts=starts)
    assert scores(nlp(doc)) == probabilities(apart)
    assert scores(nlp(doc)) != probabilities(together)
    assert scores(pipeline(run, "sentencizer")(" ".join(words))) == probabilities(apart)


def test_entities_that_stand_there(run: TaggerRun) -> None:
    nlp = pipeline(run)
    first, *others = nlp(TEXT).ents
    assert others

    def with_mine() -> Any:
        doc = nlp.make_doc(TEXT)
        mine = spacy.tokens.Span(doc, first.start, first.start + 1, label="MINE")
        far = spacy.tokens.Span(doc, len(doc) - 1, len(doc), label="MINE")
        doc.ents = [mine, far]
        return doc

    def shown(doc: Any) -> list[tuple[str, str]]:
        return [(e.text, e.label_) for e in doc.ents]

    rest = [(e.text, e.label_) for e in others]
    kept = nlp(with_mine())
    assert shown(kept) == [(first[0].text, "MINE"), *rest, (".", "MINE")]
    assert len(scores(kept)) == 1 + len(others)
    overwritten = pipeline(run, overwrite_ents=True, spans_key="mine")(with_mine())
    assert shown(overwritten) == [(first.text, first.label_), *rest, (".", "MINE")]
    assert len(scores(overwritten, "mine")) == 1 + len(others)


def test_docs_are_tagged_in_batches(run: TaggerRun, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline(run, "sentencizer")
    texts = [TEXT * (number % 3) + f" Otto Reinholt left Leeport {number} ." for number in range(7)]
    alone = [nlp(text) for text in texts]
    calls = []
    tag_lines: Callable[..., Any] = TaggerRun.tag_lines

    def counted(self: TaggerRun, *arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return tag_lines(self, *arguments, **options)

    monkeypatch.setattr(TaggerRun, "tag_lines", counted)
    batched = list(nlp.pipe(texts, batch_size=3))
    assert len(calls) == 3
    assert [doc.text for doc in batched] == texts
    for one, other in zip(alone, batched, strict=True):
        assert in_characters(one) == in_characters(other)
        assert scores(one) == pytest.approx(scores(other), rel=1e-4)


def test_faults_go_to_the_error_handler(run: TaggerRun, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline(run)
    seen = []
    nlp.set_error_handler(lambda name, *others: seen.append(name))
    tag_lines: Callable[..., Any] = TaggerRun.tag_lines

    def failing(self: TaggerRun, lines: Any) -> Any:
        rows = list(lines)
        if "bad" in rows[0]:
            raise ValueError("bad")
        return tag_lines(self, rows)

    monkeypatch.setattr(TaggerRun, "tag_lines", failing)
    docs = list(nlp.pipe(["good", "bad", "good too"], batch_size=1))
    assert [doc.text for doc in docs] == ["good", "good too"]
    assert seen == ["wordlab_tagger"]


def test_a_pipeline_on_disk_opens_the_run_anew(run: TaggerRun, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    nlp = pipeline(TaggerRun.load(tmp_path / "run"), overwrite_ents=True)
    nlp.to_disk(tmp_path / "nlp")
    again = spacy.load(tmp_path / "nlp")
    assert again.config["components"]["wordlab_tagger"]["overwrite_ents"] is True
    assert in_characters(again(TEXT)) == in_characters(nlp(TEXT))
    assert in_characters(nlp.from_disk(tmp_path / "nlp")(TEXT)) == in_characters(again(TEXT))
    copy = spacy.tokens.Doc(again.vocab).from_bytes(nlp(TEXT).to_bytes())
    assert scores(copy) == scores(nlp(TEXT))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(WordlabError, match="run: there is no such folder") as error:
        spacy.load(tmp_path / "nlp")
    assert "\n" not in str(error.value)


def test_spacy_scores_it(run: TaggerRun) -> None:
    nlp = pipeline(run)
    assert nlp.pipe_labels == {"wordlab_tagger": ["LOC", "MISC", "ORG", "PER"]}
    gold = {"entities": in_characters(nlp(TEXT))}
    example = spacy.training.Example.from_dict(nlp.make_doc(TEXT), gold)
    assert nlp.evaluate([example])["ents_f"] == 1.0


CODE = """
import os, signal, spacy
os.setpgrp()
signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))  # the workers too
signal.alarm(120)
nlp = spacy.blank("en")
nlp.add_pipe("wordlab_tagger", config={"run": RUN})
here = nlp(TEXT * 1000)  # long enough for several threads
for doc in nlp.pipe([here.text] * 4, n_process=2, batch_size=1):
    print(len(doc.ents), doc.to_json()["ents"] == here.to_json()["ents"])
"""


def test_spacy_finds_it_without_an_import_and_in_two_processes(
    run: TaggerRun, tmp_path: Path
) -> None:
    """The entry point is that of pyproject.toml, as an installation would write it."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    folder = tmp_path / "declared-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 0\n")
    lines = [f"{name} = {value}\n" for name, value in points["spacy_factories"].items()]
    (folder / "entry_points.txt").write_text("".join(["[spacy_factories]\n", *lines]))
    done = subprocess.run(
        [sys.executable, "-c", f"RUN, TEXT = {str(run.path)!r}, {TEXT + ' '!r}\n{CODE}"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")]),
            "OMP_NUM_THREADS": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == 4
    assert {line.split()[1] for line in printed} == {"True"}
    assert int(printed[0].split()[0]) > 1000
