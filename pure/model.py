"""The base of everything that a user declares."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Immutable, strictly typed, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
