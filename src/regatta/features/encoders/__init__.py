"""Encoders: fitted on the training rows of a fold, from features to one matrix.

There are four, by what a learner can read: ``tree`` (numbers with NaN, category codes),
``linear`` (sparse), ``dense`` (numbers cut into pieces) and ``scaled`` (numbers whole).
"""

from pathlib import Path

from regatta.artifacts.state import State
from regatta.errors import ArtifactError, SettingsError, nearest
from regatta.features.encoders.base import Encoder, Frame, Matrix
from regatta.features.encoders.dense import DenseEncoder, ScaledEncoder
from regatta.features.encoders.linear import LinearEncoder
from regatta.features.encoders.tree import TreeEncoder
from regatta.features.rows import RowFeatures

__all__ = ["ENCODERS", "Encoder", "Frame", "Matrix", "create", "load"]

ENCODERS: dict[str, type[Encoder]] = {
    encoder.key: encoder for encoder in (TreeEncoder, LinearEncoder, DenseEncoder, ScaledEncoder)
}


def create(key: str, features: RowFeatures) -> Encoder:
    """Return an encoder that is not fitted yet.

    Parameters
    ----------
    key : {"tree", "linear", "dense", "scaled"}
        Which one.
    features : RowFeatures
        What it will read.

    Raises
    ------
    SettingsError
        There is no such encoder.
    """
    if key not in ENCODERS:
        raise SettingsError(
            f"there is no encoder {key!r}{nearest(key, ENCODERS)}",
            expected="one of " + ", ".join(ENCODERS),
            fix="correct the learner's encoding",
        )
    return ENCODERS[key](features.columns)


def load(folder: str | Path) -> Encoder:
    """Read an encoder that `Encoder.save` wrote.

    Parameters
    ----------
    folder : str or Path
        Its folder.

    Raises
    ------
    ArtifactError
        The folder holds none, or its values do not fit together.
    """
    state = State.load(Path(folder), "encoder")
    key = state.values.get("key")
    if key not in ENCODERS:
        raise ArtifactError(
            f"{str(folder)!r} holds an encoder {key!r}",
            expected="one of " + ", ".join(ENCODERS),
            fix="make the artifact again, or update Regatta",
        )
    encoder = ENCODERS[key].from_state(state)
    state.check("n_columns", len(encoder.names) == state.number("n_columns"))
    return encoder
