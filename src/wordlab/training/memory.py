"""The memory that the training of a network takes, by formula."""

from wordlab.models.cost import FLOAT_BYTES
from wordlab.models.language_model import LanguageModel
from wordlab.models.softmax_nats import CHUNK_LOGITS
from wordlab.training.settings import TrainingSettings


def training_bytes(model: LanguageModel, training: TrainingSettings) -> int:
    """Bytes of all that is kept for each parameter, and of what one batch adds; an estimate.

    Of each parameter: the weight, its gradient, its best value so far, and what the optimiser and
    averaging keep. Of a batch: logits, probabilities, and the features with their gradients.
    """
    parameters = sum(p.numel() for p in model.parameters())
    copies = 3 + training.optimizer.numbers + (training.averaging > 0)
    logits = min(training.batch * len(model.encoder.word_vectors()), CHUNK_LOGITS)
    batch = 2 * logits + 4 * training.batch * model.encoder.features
    return FLOAT_BYTES * (parameters * copies + batch)
