"""The application: addresses, what is asked and answered there, and the page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Response

from wordlab import __version__
from wordlab.server.answers import (
    AblateAnswer,
    CompleteAnswer,
    EffectsAnswer,
    GenerateAnswer,
    HealthAnswer,
    MapAnswer,
    NeighboursAnswer,
    NeuronsAnswer,
    RunsAnswer,
    ScoreAnswer,
    TagAnswer,
)
from wordlab.server.faults import RefusedError, answer_with_faults, responses
from wordlab.server.limits import MAPPED, MAPPED_SLOWLY, WORD_CHARACTERS, Limits
from wordlab.server.posting import Posting
from wordlab.server.questions import (
    AblateQuestion,
    CompleteQuestion,
    EffectsQuestion,
    GenerateQuestion,
    NeighboursQuestion,
    NeuronsQuestion,
    ScoreQuestion,
    TagQuestion,
)
from wordlab.server.served import Shelf, lines_of
from wordlab.server.units import ablating, measuring
from wordlab.server.units import neurons as looked_at
from wordlab.server.views import (
    about,
    completing,
    mapping,
    neighbouring,
    scoring,
    tagging,
    writing,
)
from wordlab.server.worker import Worker

PAGE = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The files of the page by their address."""

MAPS_KEPT = 16

_ANY = (400, 403, 408, 413, 421, 422, 429, 503)
_OF_A_RUN = responses(404, 409, *_ANY)


def build_app(shelf: Shelf, limits: Limits, threads: int = 1) -> FastAPI:
    """The application that serves some runs.

    Args:
        threads: that a call of a model may use.
    """
    worker = Worker(limits.gather_seconds, threads)

    @asynccontextmanager
    async def working(app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        await asyncio.to_thread(worker.stop)

    app = FastAPI(
        title="wordlab",
        summary="Word-level language models and entity taggers, on this machine.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        lifespan=working,
    )
    app.router.route_class = Posting
    answer_with_faults(app)
    _add_models(app, shelf, worker)
    _add_inside(app, shelf)
    _add_service(app, shelf)
    _add_page(app)
    return app


def _add_models(app: FastAPI, shelf: Shelf, worker: Worker) -> None:
    """What is asked of models, in one call with others."""

    @app.post("/v1/score", responses=_OF_A_RUN)
    async def score(question: ScoreQuestion) -> ScoreAnswer:
        """Surprisal, entropy and rank of each word of a text, and its perplexity."""
        served = shelf.model(question.run, "score")
        return await worker.ask(served.scoring, scoring(served, question))

    @app.post("/v1/generate", responses=_OF_A_RUN)
    async def generate(question: GenerateQuestion) -> GenerateAnswer:
        """Continue a prompt by words that are drawn."""
        served = shelf.model(question.run, "generate")
        return await worker.ask(served.continuing, writing(served, question))

    @app.post("/v1/complete", responses=_OF_A_RUN)
    async def complete(question: CompleteQuestion) -> CompleteAnswer:
        """The most probable next words that begin as typed."""
        served = shelf.model(question.run, "complete")
        return await worker.ask(served.continuing, completing(served, question))

    @app.post("/v1/tag", responses=_OF_A_RUN)
    async def tag(question: TagQuestion) -> TagAnswer:
        """The entities of a text with their places and probabilities."""
        served = shelf.tagger(question.run, "tag")
        lines = lines_of(question.text, question.tokens)
        return await worker.ask(served.tagging[question.tokens], tagging(served, lines))


def _add_inside(app: FastAPI, shelf: Shelf) -> None:
    """What is asked of words and units, one question at a time beside those of models."""
    one_at_a_time = asyncio.Semaphore(1)

    @lru_cache(MAPS_KEPT)
    def laid_out(run: str, words: int, method: str, seed: int) -> MapAnswer:
        return mapping(shelf.model(run, "map"), words, method, seed)

    @app.post("/v1/neighbours", responses=_OF_A_RUN)
    async def neighbours(question: NeighboursQuestion) -> NeighboursAnswer:
        """The words nearest to some words."""
        served = shelf.model(question.run, "neighbours")
        async with one_at_a_time:
            return await asyncio.to_thread(neighbouring, served, question)

    @app.get("/v1/map", responses=_OF_A_RUN)
    async def words_in_the_plane(
        run: Annotated[str, Query(max_length=WORD_CHARACTERS)] = "",
        words: Annotated[int, Query(ge=3, le=MAPPED)] = 300,
        method: Literal["pca", "tsne"] = "pca",
        seed: Annotated[int, Query(ge=0, lt=2**32)] = 1,
    ) -> MapAnswer:
        """The most frequent words, laid out in the plane by their vectors."""
        name = shelf.model(run, "map").name
        if method == "tsne" and words > MAPPED_SLOWLY:
            raise RefusedError(
                422,
                f"t-SNE lays out at most {MAPPED_SLOWLY} words",
                where="words",
                mend="ask for fewer, or for pca",
            )
        async with one_at_a_time:
            return await asyncio.to_thread(laid_out, name, words, method, seed)

    @app.post("/v1/neurons", responses=_OF_A_RUN)
    async def neurons(question: NeuronsQuestion) -> NeuronsAnswer:
        """Hidden units with the words and the contexts that they answer to."""
        served = shelf.either(question.run, "neurons")
        async with one_at_a_time:
            return await asyncio.to_thread(looked_at, served, question)

    @app.post("/v1/ablate", responses=_OF_A_RUN)
    async def ablate(question: AblateQuestion) -> AblateAnswer:
        """What switching hidden units off changes in a text."""
        served = shelf.either(question.run, "ablate")
        async with one_at_a_time:
            return await asyncio.to_thread(ablating, served, question)

    @app.post("/v1/effects", responses=_OF_A_RUN)
    async def effects(question: EffectsQuestion) -> EffectsAnswer:
        """What each class loses on the run's validation text when a unit is switched off."""
        served = shelf.either(question.run, "effects")
        async with one_at_a_time:
            return await asyncio.to_thread(measuring, served, question)


def _add_service(app: FastAPI, shelf: Shelf) -> None:
    """What is asked of the service itself."""

    @app.get("/v1/runs", responses=responses(403, 421, 429))
    async def runs() -> RunsAnswer:
        """The served runs and what may be asked of each."""
        return RunsAnswer(runs=[about(served) for served in shelf.runs.values()])

    @app.get("/healthz", responses=responses(403, 421, 429))
    async def healthz() -> HealthAnswer:
        """That the service answers."""
        return HealthAnswer(version=__version__, runs=len(shelf.runs))


def _add_page(app: FastAPI) -> None:
    """The page and its files."""
    folder = files("wordlab.server").joinpath("page")

    def serve(address: str, content: bytes, kind: str) -> None:
        @app.get(f"/{address}", include_in_schema=False)
        async def file() -> Response:
            return Response(content, media_type=kind)

    for address, (name, kind) in PAGE.items():
        serve(address, folder.joinpath(name).read_bytes(), kind)
