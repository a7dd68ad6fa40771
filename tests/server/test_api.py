"""What the addresses answer, held against the library itself."""

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from wordlab.evaluation.tagging.tallies import tally
from wordlab.inspection.units.switching import hold, with_units_held
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.server.app import build_app
from wordlab.server.guard import HEADERS, Guard
from wordlab.server.limits import TEXT_WORDS, TOKENS_OF_ONE, Limits
from wordlab.server.questions import ScoreQuestion
from wordlab.server.served import Shelf, lines_of
from wordlab.server.views import scoring, tagging
from wordlab.server.worker import Call, Inquiry

LIMITS = Limits(gather_seconds=0.002)


@pytest.fixture(scope="module")
def app(shelf: Shelf) -> FastAPI:
    return build_app(shelf, LIMITS)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(Guard(app, LIMITS), base_url="http://localhost") as client:
        yield client


def ask(client: TestClient, view: str, **question: object) -> dict[str, Any]:
    response = client.post(f"/v1/{view}", json=question)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def refused(client: TestClient, status: int, view: str, **question: object) -> dict[str, str]:
    response = client.post(f"/v1/{view}", json=question)
    assert response.status_code == status, response.text
    fault: dict[str, str] = response.json()
    assert set(fault) == {"error", "where", "mend"}
    return fault


@pytest.mark.parametrize("name", ["tiny", "stream", "counted"])
def test_scores_are_those_of_the_library(client: TestClient, shelf: Shelf, name: str) -> None:
    lines = ["the cat sat on a zebra .", "where is the mouse ?"]
    answer = ask(client, "score", run=name, text="\n".join(lines), end=True)
    run = shelf.model(name, "score").run
    own = list(run.score(lines, end=True))
    assert [word["word"] for word in answer["words"]] == [row.word for row in own]
    for word, row in zip(answer["words"], own, strict=True):
        assert word["nats"] == pytest.approx(row.nats, abs=1e-5)
        assert word["bits"] == pytest.approx(row.nats and row.nats / math.log(2), abs=1e-5)
        assert (word["rank"], word["unknown"]) == (row.rank, row.unknown)
    evaluation = run.evaluate(lines, yardsticks=False)
    totals = answer["totals"]
    assert totals["perplexity"] == pytest.approx(evaluation.overall.perplexity, rel=1e-5)
    assert totals["perplexity_known"] == pytest.approx(evaluation.known.perplexity, rel=1e-5)
    assert (totals["targets"], totals["unknown_words"]) == (evaluation.overall.targets, 1)
    assert answer["protocol"] == evaluation.protocol
    assert answer["vocabulary"]["hash"] == evaluation.vocabulary_hash


def test_an_empty_text_has_no_words_and_no_perplexity(client: TestClient) -> None:
    answer = ask(client, "score", text=" \n\n")
    assert (answer["words"], answer["totals"]["perplexity"]) == ([], None)
    assert ask(client, "tag", text="")["sentences"] == []


def test_generation_is_that_of_the_library(client: TestClient, run: Run) -> None:
    options: dict[str, Any] = {"words": 6, "count": 4, "seed": 7, "temperature": 0.8, "top_k": 9}
    answer = ask(client, "generate", run="tiny", prompt="the cat", **options)
    assert [each["text"] for each in answer["continuations"]] == [
        each.text for each in run.generate("the cat", **options)
    ]


def test_completion_gives_the_best_words_that_begin_as_typed(client: TestClient, run: Run) -> None:
    whole = ask(client, "complete", run="tiny", prompt="the", count=100)
    words = {each["word"]: each["probability"] for each in whole["completions"]}
    assert sum(words.values()) + whole["unknown"] + whole["end"] == pytest.approx(1, abs=1e-3)
    begun = ask(client, "complete", run="tiny", prompt="the", prefix="m")
    expected = sorted((w for w in words if w.startswith("m")), key=lambda w: -words[w])
    assert [each["word"] for each in begun["completions"]] == expected[:5]
    assert sum(each["share"] for each in begun["completions"]) == pytest.approx(1)
    assert begun["mass"] == pytest.approx(sum(words[word] for word in expected))
    (scored,) = (row for row in run.score(["the mouse"]) if row.word == "mouse")
    assert -math.log(words["mouse"]) == pytest.approx(scored.nats, abs=1e-5)


def test_entities_stand_where_the_answer_says(client: TestClient, tagger: TaggerRun) -> None:
    text = "\n😀 Mara Ellingsen left Turin .\r\n\nJonas Vik saw Mara Ellingsen in Turin.\n"
    sentences = ask(client, "tag", text=text)["sentences"]
    assert len(sentences) == 2
    found = [entity for sentence in sentences for entity in sentence["entities"]]
    assert found
    for entity in found:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert 0 <= entity["probability"] <= 1
    own = [each for sentence in tagger.tag(text) for each in sentence.entities]
    assert [(e["text"], e["type"]) for e in found] == [(e.text, e.type) for e in own]


def test_neighbours_and_map(client: TestClient, run: Run) -> None:
    found = ask(client, "neighbours", words=["cat"], count=3)["neighbours"]
    assert [each["rank"] for each in found] == [1, 2, 3]
    assert "cat" not in {each["neighbour"] for each in found}
    places = client.get("/v1/map", params={"words": 9}).json()["words"]
    frequent = [run.vocabulary.words[index] for index in run.vocabulary.frequent_words(9)]
    assert [place["word"] for place in places] == frequent


def test_units_and_what_changes_without_them(
    client: TestClient, run: Run, tagger: TaggerRun
) -> None:
    found = ask(client, "neurons", run="tiny", units=[5, 2], top=3, contexts=2)["neurons"]
    assert [each["unit"] for each in found] == [5, 2]
    assert [each["position"] for each in found[0]["positions"]] == [-2, -1]
    assert [len(each["top"]) for each in found[0]["positions"]] == [3, 3]
    assert [each["end"] for each in found[0]["contexts"]] == ["highest"] * 2 + ["lowest"] * 2
    text, units = "the cat sat on the mat .", [0, 1, 2]
    answer = ask(client, "ablate", run="tiny", text=text, units=units, tokens="spaces")
    held = with_units_held(run, hold(run, units))
    for name, each in (("perplexity", run), ("perplexity_held", held)):
        expected = each.evaluate([text], yardsticks=False).overall.perplexity
        assert answer[name] == pytest.approx(expected, rel=1e-5)
    assert [word["word"] for word in answer["words"]] == [*text.split(), "</s>"]
    line = "Mara Ellingsen left Turin ."
    every = list(range(24))
    answer = ask(client, "ablate", run="tagger", text=line, units=every)
    (own,), (other,) = tagger.tag(line), with_units_held(tagger, hold(tagger, every)).tag(line)
    types = [word["type"] for word in answer["words"]]
    assert [kind for kind in types if kind] == [
        entity.type
        for entity in own.entities
        for _ in range(entity.first_word, entity.last_word + 1)
    ]
    held_types = {word["type_held"] for word in answer["words"]} - {""}
    assert held_types == {entity.type for entity in other.entities}


def test_what_each_class_loses_without_a_unit(
    client: TestClient, run: Run, tagger: TaggerRun
) -> None:
    answer = ask(client, "effects", run="tagger", units=[3, 0])
    words, entities = answer["figures"]
    assert (words["figure"], entities["figure"]) == ("F1 of words", "F1 of entities")
    assert [each["name"] for each in entities["classes"]] == [*tagger.tag_set.types, "all"]
    sentences = tagger.sentences("validation")
    for at, units in enumerate(([3], [0])):
        held = with_units_held(tagger, hold(tagger, units)).evaluate_sentences(sentences, "")
        for each in entities["classes"][:-1]:
            expected = tally(held.by_type[tagger.tag_set.types.index(each["name"])]).f1
            assert each["whole"] + each["changes"][at] == pytest.approx(expected), each["name"]
    (nats,) = ask(client, "effects", run="tiny", units=[1], at="mean")["figures"]
    assert nats["figure"] == "nats a token"
    names = [each["name"] for each in nats["classes"]]
    assert names[-1] == "all"
    assert nats["classes"][-1]["count"] == sum(each["count"] for each in nats["classes"][:-1])
    assert "units 0 to" in refused(client, 422, "effects", run="tagger", units=[4000])["error"]
    assert refused(client, 409, "effects", run="counted", units=[0])["where"] == "run"


def test_runs_say_what_may_be_asked_of_them(client: TestClient) -> None:
    runs = {run["name"]: run for run in client.get("/v1/runs").json()["runs"]}
    assert list(runs) == ["tiny", "stream", "counted", "tagger"]
    assert runs["counted"]["views"] == ["score", "generate", "complete"]
    assert runs["tagger"]["views"] == ["tag", "neurons", "ablate", "effects"]
    assert client.get("/healthz").json()["status"] == "ok"


def test_answers_together_are_those_alone(shelf: Shelf) -> None:
    texts = ["the cat sat", "a dog saw the mouse .\nthe cat", "zebra", "", "the rug . the mat ."]
    questions: list[tuple[str, Mapping[str, object]]] = [
        *(
            ("score", {"run": name, "text": text, "end": True})
            for name in ("tiny", "stream", "counted")
            for text in texts
        ),
        *(("tag", {"text": f"Mara left Turin {text}"}) for text in texts),
        *(
            ("generate", {"run": name, "prompt": "the cat", "seed": seed, "words": 5 + seed})
            for name in ("tiny", "stream")
            for seed in range(4)
        ),
        *(("complete", {"run": "stream", "prompt": text}) for text in texts),
    ]

    async def asked_both_ways() -> tuple[list[Any], list[Any]]:
        app = build_app(shelf, LIMITS)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):

            async def ask(view: str, question: Mapping[str, object]) -> Any:
                return (await client.post(f"/v1/{view}", json=question)).json()

            alone = [await ask(*question) for question in questions]
            together = await asyncio.gather(*(ask(*question) for question in questions))
            return alone, list(together)

    alone, together = asyncio.run(asked_both_ways())
    for one, other in zip(alone, together, strict=True):
        assert _near(one, other), (one, other)


def put_in_turns(inquiry: Inquiry[Any], call: Call) -> tuple[list[int], Any]:
    """The sizes of an inquiry's questions, and what it makes of the answers."""
    sizes = []
    question = next(inquiry)
    while True:
        sizes.append(call.size(question))
        try:
            question = inquiry.send(call.answer([question])[0])
        except StopIteration as end:
            return sizes, end.value


def test_a_long_text_is_read_in_stretches(shelf: Shelf, run: Run, tagger: TaggerRun) -> None:
    lines = ["the cat sat on a zebra .", "where is the mouse ?"] * 150
    text = "\n".join(lines)
    served = shelf.model("tiny", "score")
    sizes, answer = put_in_turns(scoring(served, ScoreQuestion(text=text)), served.scoring)
    assert len(sizes) > 3
    assert max(sizes) <= TOKENS_OF_ONE
    own = list(run.score(lines))
    assert [(row.sentence, row.line, row.word) for row in answer.words] == [
        (row.sentence, row.line, row.word) for row in own
    ]
    assert [row.nats for row in answer.words] == pytest.approx([row.nats for row in own], abs=1e-5)
    assert answer.totals.sentences == 300
    carried = shelf.model("stream", "score")
    sizes, _ = put_in_turns(scoring(carried, ScoreQuestion(text=text)), carried.scoring)
    assert sizes == [150 * (8 + 6)]
    line = "Mara Ellingsen left Turin ."
    tags, call = shelf.tagger("tagger", "tag"), shelf.tagger("tagger", "tag").tagging["words"]
    sizes, answer = put_in_turns(tagging(tags, lines_of(f"{line}\n" * 200, "words")), call)
    assert (len(sizes), sum(sizes)) == (2, 1000)
    (alone,) = tagger.tag(line)
    assert [entity.text for entity in answer.sentences[-1].entities] == [
        entity.text for entity in alone.entities
    ]


def _near(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-6)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_near(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_near, one, other))
    return bool(one == other)


def test_a_run_without_a_view_names_those_that_have_it(client: TestClient) -> None:
    assert refused(client, 409, "tag", run="tiny", text="x")["mend"] == "ask tagger"
    assert (
        "tiny or stream" in refused(client, 409, "neighbours", run="counted", words=["a"])["mend"]
    )
    assert client.get("/v1/map", params={"run": "tagger"}).status_code == 409
    assert (
        "tiny, stream, counted, tagger" in refused(client, 404, "score", run="x", text="")["mend"]
    )


@pytest.mark.parametrize(
    ("status", "view", "question", "where"),
    [
        (422, "score", {}, "text"),
        (422, "score", {"text": 5}, "text"),
        (422, "score", {"text": "x" * 100_001}, "text"),
        (422, "score", {"text": "x " * (TEXT_WORDS + 1)}, "text"),
        (422, "score", {"text": "x", "tokens": "bytes"}, "tokens"),
        (422, "score", {"text": "x", "colour": 1}, "colour"),
        (422, "generate", {"temperature": 0}, "temperature"),
        (422, "generate", {"words": 1000}, "words"),
        (422, "generate", {"words": "5"}, "words"),
        (422, "complete", {"prompt": "x " * 201}, "prompt"),
        (404, "neighbours", {"words": ["cat", "xyzzy"]}, "words.1"),
        (422, "neighbours", {"words": []}, "words"),
        (422, "neurons", {"units": [8]}, "unit"),
        (422, "ablate", {"text": "x", "units": []}, "units"),
        (422, "ablate", {"text": "x " * 2001, "units": [0]}, "text"),
    ],
)
def test_wrong_fields_are_named(
    client: TestClient, status: int, view: str, question: dict[str, object], where: str
) -> None:
    assert refused(client, status, view, **question)["where"] == where


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"text": ', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"text": "\\ud800"}', 422),
        (b'{"text": NaN}', 422),
        (b"[]", 422),
        (b"", 422),
        (b"x" * (1 << 20), 400),
        (b"x" * ((1 << 20) + 1), 413),
    ],
    ids=["cut", "bytes", "deep", "surrogate", "no number", "list", "none", "largest", "too large"],
)
def test_broken_bodies_are_refused(client: TestClient, body: bytes, status: int) -> None:
    response = client.post("/v1/score", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "where", "mend"}


def test_other_methods_and_addresses(client: TestClient) -> None:
    assert client.get("/v1/score").status_code == 405
    assert client.get("/v1/score").headers["allow"] == "POST"
    for address in ("/docs", "/redoc", "/v1/none", "/page.js.map", "/../pyproject.toml"):
        response = client.get(address)
        assert response.status_code == 404
        assert "error" in response.json()


def test_other_hosts_and_origins_are_refused(app: FastAPI) -> None:
    client = TestClient(Guard(app, LIMITS, ["lab.example"]), base_url="http://localhost")
    for host in ("localhost:8765", "127.0.0.1:1", "[::1]:8765", "lab.example", "LAB.example:80"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "@"):
        assert client.get("/healthz", headers={"host": host}).status_code == 421, host
    for origin in ("http://evil.example", "null", "http://localhost:9"):
        assert client.get("/healthz", headers={"origin": origin}).status_code == 403, origin
    assert client.get("/healthz", headers={"origin": "http://localhost"}).status_code == 200


def test_every_answer_has_the_strict_headers(client: TestClient) -> None:
    for address in ("/", "/page.js", "/page.css", "/icon.svg", "/healthz", "/nothing"):
        headers = client.get(address).headers
        for name, value in HEADERS.items():
            assert headers[name] == value, (address, name)
    page = client.get("/").text
    assert "style=" not in page
    assert "onclick" not in page
    assert "http" not in page


def test_slow_answers_and_crowds_are_turned_away() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(5)

    async def statuses() -> list[int]:
        guard = Guard(slow, Limits(seconds=0.05, at_once=2))
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(3)))
            return sorted(answer.status_code for answer in answers)

    assert asyncio.run(statuses()) == [429, 503, 503]


def test_no_request_is_a_fault_of_the_service(shelf: Shelf) -> None:
    load_all_checks()
    schema = schemathesis.openapi.from_asgi("/openapi.json", build_app(shelf, LIMITS))
    names = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    ]
    checks = [CHECKS.get_one(name) for name in names]

    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
        def sensible(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=checks)

        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
        def broken(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=checks)

        sensible()
        if operation.body or operation.query:
            broken()
