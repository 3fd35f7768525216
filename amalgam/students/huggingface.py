"""A language model of Hugging Face's transformers, where that is installed: dataset-joining's BERT (§4.1, Table 2).

Its texts are read with the data option `tokenizer`, which names the same model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.scaling import Unscaled
from amalgam.series import alike, within
from amalgam.signals import StudentOutput
from amalgam.student import Student
from amalgam.tokens import LONGEST, Reading


class HuggingFace(Student):
    """An encoder of texts and a linear layer on what it says of all their words."""

    class Settings(Student.Settings):
        """The hyperparameters.

        Attributes:
            model: the model's name on the hub, or a folder with config.json and model.safetensors.
            pretrained: whether it begins with the model's weights.
            config: the model's configuration, of a student that is read back; else the model's own.
            pooling: what becomes of the states of all words: their `mean`, or the `first` one's alone (BERT's [CLS]).
            dropout: share of the features that is dropped in training.
        """

        model: str
        pretrained: bool = True
        config: Mapping[str, Any] | None = None
        pooling: Literal["mean", "first"] = "mean"
        dropout: float = Field(default=0.1, ge=0, lt=1)

    masks = True
    texts = True
    last = "decide"
    settings: HuggingFace.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        if settings is None:
            raise RequestError("the student huggingface needs a model; name one under student.model")
        super().__init__(shape, labels, settings)
        if len(self.shape) != 2 or self.shape[1] != 1:
            raise RequestError(
                f"the student huggingface reads texts, series (words, 1) of their numbers, and these inputs have the "
                f"shape {self.shape}; read the data with the options `text` and `tokenizer`"
            )
        self.scaling = Unscaled(self.shape)
        self.network = _model(settings)
        own: Any = self.network.config
        self.most = int(getattr(own, "max_position_embeddings", None) or 2**31)
        if "roberta" in own.model_type:  # whose places are counted from behind that of its padding
            self.most -= int(own.pad_token_id) + 1
        if self.shape[0] > self.most:
            raise RequestError(
                f"{settings.model} reads {self.most} parts of words at most, and the texts have {self.shape[0]}; set "
                f"the data option `longest` to {self.most}"
            )
        place = Path(settings.model)
        self.reading = Reading(min(self.most, LONGEST), str(place.resolve()) if place.is_dir() else settings.model)
        # One that is read back has its weights in its folder, and needs no hub; a path is nobody's business there.
        name = place.resolve().name if place.is_dir() else settings.model
        config = {key: value for key, value in own.to_diff_dict().items() if key != "_name_or_path"}
        self.settings = settings.model_copy(update={"model": name, "pretrained": False, "config": config})
        self.drop = nn.Dropout(settings.dropout)
        self.decide = nn.Linear(int(own.hidden_size), len(self.labels))

    def accepts(self, shape: Sequence[int]) -> bool:
        """Texts of any length that the model reads."""
        return alike(shape, self.shape) and shape[0] <= self.most

    def represent(self, inputs: Tensor) -> Tensor:
        """The features (B, D) of texts (B, T, 1)."""
        own = within(inputs)
        numbers = inputs[..., 0].nan_to_num().long() * own
        states: Tensor = self.network(input_ids=numbers, attention_mask=own.long()).last_hidden_state
        if self.settings.pooling == "first":
            return states[:, 0]
        return (states * own[..., None]).sum(1) / own.sum(1, keepdim=True)

    def forward(self, inputs: Tensor) -> StudentOutput:
        """Logits (B, L) and features (B, D)."""
        features = self.represent(inputs)
        return StudentOutput(self.decide(self.drop(features)), features)


def _model(settings: HuggingFace.Settings) -> Any:
    """The model, without a head; nothing that it carries is run as code, and no pickle is read."""
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError:
        raise RequestError("the student huggingface needs transformers; install amalgam[text]") from None
    try:
        if settings.config is not None:
            return AutoModel.from_config(AutoConfig.for_model(**settings.config))
        if settings.pretrained:
            return AutoModel.from_pretrained(settings.model, use_safetensors=True, trust_remote_code=False)
        return AutoModel.from_config(AutoConfig.from_pretrained(settings.model, trust_remote_code=False))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"no model {settings.model!r}: {' '.join(str(error).split())[:150]}; name a folder with config.json and "
            "model.safetensors, or a model that the hub, or its cache on this machine, has"
        ) from None
