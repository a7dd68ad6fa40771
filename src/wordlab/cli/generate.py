"""`wordlab generate`: sentences from a run."""

from typing import Annotated

import typer

from wordlab.cli.terminal import Json, RunFolder, show, show_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Option("--prompt", help="The words to begin with.")] = "",
    words: Annotated[int, typer.Option(help="At most so many new words.")] = 10,
    count: Annotated[int, typer.Option(help="How many sentences.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 1,
    method: Annotated[str, typer.Option(help="sample, greedy or beam.")] = "sample",
    temperature: Annotated[float, typer.Option(help="Below 1 sharper, above 1 flatter.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from so many best words.")] = None,
    top_p: Annotated[float, typer.Option(help="Draw from the best words of this mass.")] = 1.0,
    beam: Annotated[int, typer.Option(help="Width of the beam.")] = 10,
    unknown: Annotated[bool, typer.Option(help="Allow the unknown word.")] = False,
    end: Annotated[bool, typer.Option(help="Allow a sentence to end before --words.")] = True,
    as_json: Json = False,
) -> None:
    """Continue a prompt, with the surprisal of what was added."""
    from wordlab.config import validate
    from wordlab.generation.sentences import GenerationSettings
    from wordlab.inspection.sentences import sentences_table
    from wordlab.runs.run import Run

    settings = validate(
        GenerationSettings,
        {
            "words": words,
            "count": count,
            "seed": seed,
            "method": method,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "beam": beam,
            "unknown": unknown,
            "end": end,
        },
        source="options",
    )
    sentences = Run.load(run).generate(prompt, settings)
    if not as_json:
        show([sentences_table(sentences)])
        return
    show_json(
        [
            {
                "text": item.text,
                "prompt": item.prompt,
                "words": item.words,
                "nats": item.nats,
                "total_nats": item.total_nats,
                "nats_per_word": item.total_nats / max(len(item.nats), 1),
                "ended": item.ended,
            }
            for item in sentences
        ]
    )
