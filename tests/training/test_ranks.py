"""Training in several real processes: the same losses as in one, also after a stop or a kill."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ranked import CASES, STOP_AT, begun, in_ranks, losses, settings_for, write_texts
from wordlab.batching.batch import Batch
from wordlab.errors import WordlabError
from wordlab.models.language_model import build_model
from wordlab.models.recurrent.lstm import LstmSettings
from wordlab.models.softmax_output import SoftmaxSettings
from wordlab.runs.files import read_tensors
from wordlab.runs.history import read_history
from wordlab.runs.opening import settings_of
from wordlab.runs.run import CHECKPOINT
from wordlab.runs.starting import resume_run, start_run
from wordlab.training.together.ranks import ALONE, Ranks
from wordlab.training.together.sums_by_memory import X86

CHANCE = {"by chance", "diverging", "out of time"}
STOPPED = {"stopped together", "stopped alone"}


@pytest.fixture(scope="module", params=[(2, "memory"), (2, "messages"), (3, "memory")], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where several ranks have trained all cases."""
    ranks, way = request.param
    folder = tmp_path_factory.mktemp("ranks")
    write_texts(folder)
    losses(begun("stopped alone", folder, folder), STOP_AT)
    assert in_ranks(folder, ranks, way) == [""] * ranks
    by_memory = said(folder, "feedforward")["way"] == "SumsByMemory"
    assert by_memory == (way == "memory" and platform.machine() in X86)
    return folder


def said(folder: Path, name: str, rank: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name} {rank}.json").read_text())
    return found


@pytest.mark.parametrize("name", sorted(CASES.keys() - CHANCE - STOPPED))
def test_ranks_have_the_losses_of_one_process(folder: Path, tmp_path: Path, name: str) -> None:
    alone = begun(name, tmp_path, folder)
    assert said(folder, name)["losses"] == pytest.approx(losses(alone), abs=1e-5)
    rows = [read_history(at / name) for at in (folder, tmp_path)]
    for one, two in zip(*rows, strict=True):
        assert one.validation_nats == pytest.approx(two.validation_nats, abs=1e-5)
        assert one.train_nats == pytest.approx(two.train_nats, abs=1e-5)
        assert (one.best, one.rate) == (two.best, two.rate)


@pytest.mark.parametrize("name", sorted(CASES))
def test_all_ranks_know_and_weigh_the_same(folder: Path, name: str) -> None:
    others = [int(path.stem.split()[-1]) for path in folder.glob(f"{name} ?.json")]
    assert len(others) >= 2
    assert all(said(folder, name, 0) == said(folder, name, other) for other in others)


def test_chance_is_the_ranks_own(folder: Path, tmp_path: Path) -> None:
    alone = losses(begun("by chance", tmp_path, folder))
    found = said(folder, "by chance")["losses"]
    assert len(found) == len(alone)
    assert not np.allclose(found, alone, atol=1e-4)


def test_ranks_roll_back_together(folder: Path) -> None:
    progress = said(folder, "diverging")["progress"]
    assert progress["rollbacks"] > 0
    assert progress["epoch"] == 2


def test_ranks_end_together_when_the_time_is_up(folder: Path) -> None:
    progress = said(folder, "out of time")["progress"]
    assert progress["seconds"] >= 0.3
    assert 1 <= progress["epoch"] < 1000


def test_a_run_of_several_ranks_goes_on_in_one_process(folder: Path, tmp_path: Path) -> None:
    """The last rank was asked to stop; all did, a batch later."""
    straight = losses(begun("stopped together", tmp_path, folder))
    first = said(folder, "stopped together")["losses"]
    assert 0 < len(first) < len(straight)
    shutil.copytree(folder / "stopped together", tmp_path / "copy")
    second = losses(resume_run(tmp_path / "copy"))
    assert first + second == pytest.approx(straight, abs=1e-5)


def test_a_run_of_one_process_goes_on_in_several_ranks(folder: Path, tmp_path: Path) -> None:
    straight = losses(begun("stopped alone", tmp_path, folder))
    second = said(folder, "stopped alone")["losses"]
    assert 0 < len(second) < len(straight)
    assert second == pytest.approx(straight[-len(second) :], abs=1e-5)


def test_a_killed_rank_is_started_again_and_nothing_is_lost(folder: Path, tmp_path: Path) -> None:
    """Through torchrun and the real command, with dropout; the last rank is killed."""
    config, run = tmp_path / "config.toml", tmp_path / "run"
    ranks = len(list(folder.glob("by chance ?.json")))
    config.write_text(as_toml(settings_for("by chance", folder)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(ranks), "--max-restarts", "1", "--monitor-interval", "0.1"]
    command += ["-m", "wordlab", "train", "--config", str(config), "--run-folder", str(run)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        kill_rank(process.pid, ranks - 1, run / CHECKPOINT)
        printed, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    assert printed.count("Validation\n") == 1
    undisturbed, found = read_history(folder / "by chance"), read_history(run)
    assert [e.seen_nats for e in found] == [e.seen_nats for e in undisturbed]
    assert [e.validation_nats for e in found] == [e.validation_nats for e in undisturbed]
    assert all(
        torch.equal(value, read_tensors(run / CHECKPOINT)[0][name])
        for name, value in read_tensors(folder / "by chance" / CHECKPOINT)[0].items()
    )


def as_toml(settings: dict[str, Any]) -> str:
    lines = []
    for section, values in settings.items():
        lines.append(f"[{section}]")
        for name, value in values.items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            lines += [f"{name}{k and '.'}{k} = {json.dumps(v)}" for k, v in inner]
    return "\n".join(lines)


def kill_rank(parent: int, rank: int, checkpoint: Path) -> None:
    """Kill a rank that torchrun started, in mid-epoch."""
    give_up = time.monotonic() + 200
    while time.monotonic() < give_up:
        time.sleep(0.01)
        if checkpoint.exists():
            progress = json.loads(read_tensors(checkpoint)[1]["progress"])
            if progress["epoch"] >= 1 and progress["batch"] >= 2:
                break
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            os.kill(int(child), signal.SIGKILL)
            return
    raise AssertionError("there is no such rank")


class Restarting(Ranks):
    """One rank, of a program that starts it again."""

    restarts = True


def test_only_the_same_training_is_gone_on_with(tmp_path: Path) -> None:
    write_texts(tmp_path)
    settings = settings_of(settings_for("few rows", tmp_path), "test")
    first = start_run(settings, tmp_path / "run", Restarting())
    losses(first, (0, 3))
    again = start_run(settings, tmp_path / "run", Restarting())
    assert again.trainer.progress.batch == 3
    with pytest.raises(WordlabError, match="is there already"):
        start_run(settings, tmp_path / "run", ALONE)
    other = settings.model_copy(
        update={"training": settings.training.model_copy(update={"seed": 2})}
    )
    with pytest.raises(WordlabError, match="is there already"):
        start_run(other, tmp_path / "run", Restarting())


def test_the_shares_of_a_batch_are_the_batch() -> None:
    """Each target once, with its own input and place, whatever the number of ranks."""
    steps, counted = (5, 4, 4, 1), torch.tensor([0, 1, 3, 5, 6, 8, 9, 10, 12, 13])
    store = np.arange(14)
    whole = Batch(
        inputs=torch.arange(14) + 100,
        targets=counted + 200,
        positions=counted.numpy() + 300,
        text=store,
        steps=steps,
        counted=counted,
    )
    for ranks in (1, 2, 3, 7):
        shares = [share for r in range(ranks) if (share := whole.share(r, ranks)) is not None]
        assert len(shares) == min(ranks, steps[0])
        found = []
        for share in shares:
            assert sum(share.steps) == len(share.inputs)
            assert list(share.steps) == sorted(share.steps, reverse=True)
            read = share.inputs[share.counted]  # type: ignore[index]
            found += zip(
                read.tolist(), share.targets.tolist(), share.positions.tolist(), strict=True
            )
        assert sorted(found) == [(x + 100, x + 200, x + 300) for x in counted.tolist()]


def test_the_penalties_of_the_shares_are_the_batch_s() -> None:
    """Also where a share has one change from token to token only."""
    settings = LstmSettings(
        embedding=4,
        hidden=(3,),
        embedding_dropout=0,
        dropout=0,
        activation_penalty=2.0,
        change_penalty=1.0,
    )
    model = build_model(settings, SoftmaxSettings(), 20, seed=1).train()
    ids = torch.arange(9)
    whole = Batch(ids, ids, ids.numpy(), ids.numpy(), steps=(4, 3, 1, 1))
    for ranks in (2, 3):
        shares = [share for rank in range(ranks) if (share := whole.share(rank, ranks)) is not None]
        with torch.no_grad():
            joint, losses = model(whole), [model(share) for share in shares]
        assert float(sum(x.penalty for x in losses)) == pytest.approx(float(joint.penalty))
        assert float(sum(x.nats for x in losses)) == pytest.approx(float(joint.nats))
