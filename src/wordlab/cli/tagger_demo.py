"""The tagger's half of `wordlab demo`: from labelled sentences to entities of any text."""

from pathlib import Path

from wordlab.cli.terminal import note, show

SENTENCE = "Ada Lovelace visited Turin with Acme Corp ."

SETTINGS = {"features": {"words": 32}, "training": {"epochs": 15, "batch": 96}}


def tagger_demo(folder: Path, *, dirty: bool) -> None:
    """Check, split, train, evaluate and tag, with the sample that the package brings along.

    Args:
        dirty: begin with the sample's faulty twin, and mend it.
    """
    from wordlab.cli.check import diagnosis_tables, write_repair
    from wordlab.cli.progress import train_and_show
    from wordlab.config import validate
    from wordlab.corpus.labelled.doctor import diagnose
    from wordlab.runs.files import next_free, write_whole
    from wordlab.runs.tagger_settings import TaggerRunSettings
    from wordlab.runs.tagger_training import TaggerTraining
    from wordlab.samples import dirty_entities, entities

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("dirty.iob2" if dirty else "entities.iob2")
    write_whole(path, (dirty_entities()[0] if dirty else entities()).encode())
    note("1. Labelled text: sentences written for wordlab, all names invented.")
    found = diagnose(path)
    show(diagnosis_tables(found))
    if dirty:
        mended = folder / "mended.iob2"
        write_repair(found, mended)
        path = mended
    note(f"   Your own: wordlab check MINE --repair MENDED\n   {path}\n")

    note("2. Training: a window of five words, features of their spelling, and a CRF; a fifth of")
    note("   the documents is held out to choose the best epoch.")
    data = {**SETTINGS, "data": {"train": [str(path)]}}
    settings = validate(TaggerRunSettings, data, source="demo")
    training = TaggerTraining.start(settings, next_free(folder / "tagger"))
    run = train_and_show(training)
    note(f"   Your own: wordlab train MINE --task tagger --run {folder}/mine\n")

    note("3. Figures on the held-out documents. 500 sentences are few: see the intervals.")
    evaluation = run.evaluate_sentences(training.validation, "the held-out documents")
    errors = evaluation.error_table(training.validation, 8)
    show([evaluation.entity_table(), evaluation.name_table(), errors])
    note(f"   Any other labelled text: wordlab evaluate {run.path} OTHER\n")

    note("4. Entities of a sentence, with their probabilities.")
    (tagged,) = run.tag(SENTENCE)
    for entity in tagged.entities:
        print(f"{entity.type:5} {entity.text:15} {entity.probability:.3f}")
    note(f'   Your own: echo "{SENTENCE}" | wordlab tag {run.path} -')
    print(f"F1 {100 * evaluation.total.f1:.1f} %  run {run.path}")
