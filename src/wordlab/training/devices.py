"""Where training takes place: the CPU, or a GPU."""

import os
from typing import Literal

import torch

from wordlab.errors import WordlabError

Device = Literal["auto", "cpu", "cuda"]


def chosen_device(asked: Device) -> torch.device:
    """The device that settings ask for; of several GPUs, that of this rank on its machine.

    Raises:
        WordlabError: where there is none of that kind.
    """
    if not torch.cuda.is_available():
        if asked == "cuda":
            raise WordlabError(
                "PyTorch sees no GPU",
                where="training.device",
                mend="set training.device=cpu, or install a PyTorch with CUDA",
            )
        return torch.device("cpu")
    if asked == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
