"""Conversations as tensors: ids, labels, and soft tokens in the place of their placeholders."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from .conversations import THOUGHTS, Conversation, Turn
from .tokens import IDS

IGNORED = -100
_IMAGE, _AUDIO = IDS["<|image|>"], IDS["<|audio|>"]


@dataclass
class Batch:
    """ids [B, L], labels [B, L] (shifted: the token that follows), media in order."""

    ids: torch.Tensor
    labels: torch.Tensor
    pictures: list
    clips: list


class Renderer:
    """Writes conversations as the chat template does, straight to ids."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.user, self.model = self._encode("<|turn>user\n"), self._encode("<|turn>model\n")
        self.end = self._encode("<turn|>\n")

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def _parts(self, turn: Turn, talk: Conversation, sizes: tuple[list[int], list[int]]):
        for kind, value in turn.parts:
            if kind == "text":
                yield from self._encode(value)
            elif kind == "image":
                yield from (IDS["<|image>"], *[_IMAGE] * sizes[0][value], IDS["<image|>"])
            else:
                yield from (IDS["<|audio>"], *[_AUDIO] * sizes[1][value], IDS["<audio|>"])

    def render(self, talk: Conversation, sizes: tuple[list[int], list[int]]):
        """Ids and labels of one conversation; `sizes` counts soft tokens of its media."""
        ids = [IDS["<bos>"]]
        if talk.system or talk.think:
            think = "<|think|>\n" if talk.think else ""
            ids += self._encode(f"<|turn>system\n{think}{talk.system or ''}<turn|>\n")
        labels = [IGNORED] * len(ids)
        for i, turn in enumerate(talk.turns):
            asked = [*self.user, *self._parts(turn, talk, sizes), *self.end, *self.model]
            answer = self._encode(turn.answer)
            last = i == len(talk.turns) - 1
            if talk.think and last:
                thought = f"<|channel>thought\n{THOUGHTS[turn.kind]}\n<channel|>"
                answer = self._encode(thought) + answer
            # With thinking on only the last answer is trained: earlier ones lost their thoughts.
            told = answer + self.end[:1] if last or not talk.think else []
            ids += asked + answer + self.end
            labels += [IGNORED] * len(asked) + told
            labels += [IGNORED] * (len(ids) - len(labels))
        return ids, labels

    def batch(self, talks: Sequence[Conversation], picture_size, clip_size) -> Batch:
        """Pad conversations on the right; the two functions count a medium's soft tokens."""
        rows = []
        for talk in talks:
            sizes = [picture_size(p) for p in talk.pictures], [clip_size(c) for c in talk.clips]
            rows.append(self.render(talk, sizes))
        longest = -(-max(len(ids) for ids, _ in rows) // 32) * 32
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        labels = torch.full((len(rows), longest), IGNORED)
        for i, (row, told) in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            labels[i, : len(told) - 1] = torch.tensor(told[1:])
        return Batch(
            ids,
            labels,
            [p for talk in talks for p in talk.pictures],
            [c for talk in talks for c in talk.clips],
        )


def _sliding_mask(length: int, window: int) -> torch.Tensor:
    rows, columns = torch.arange(length)[:, None], torch.arange(length)[None]
    return ((columns <= rows) & (columns > rows - window))[None, None]


def answers(model, batch: Batch, images: torch.Tensor | None, sounds: torch.Tensor | None):
    """Logits [N, V] where the answers' tokens are decided, and those tokens [N].

    Args:
        images, sounds: soft tokens [N, D] of all pictures and of all clips, in order.
    """
    language = model.model.language_model
    media = (batch.ids == _IMAGE) | (batch.ids == _AUDIO)
    words = batch.ids.masked_fill(media, 0)
    embeds = language.embed_tokens(words)
    for soft, slot in ((images, _IMAGE), (sounds, _AUDIO)):
        if soft is not None and len(soft):
            here = (batch.ids == slot)[..., None].expand_as(embeds)
            embeds = embeds.masked_scatter(here, soft.to(embeds.dtype))
    window = language.config.sliding_window
    length = batch.ids.shape[1]
    hidden = language(
        inputs_embeds=embeds,
        per_layer_inputs=language.get_per_layer_inputs(words, embeds),
        attention_mask={
            "full_attention": _sliding_mask(length, length),
            "sliding_attention": _sliding_mask(length, window),
        },
        use_cache=False,
    ).last_hidden_state
    told = batch.labels != IGNORED
    logits = (hidden[told] @ language.embed_tokens.weight.T).float()
    return 30.0 * torch.tanh(logits / 30.0), batch.labels[told]


def loss_of(model, batch: Batch, images: torch.Tensor | None, sounds: torch.Tensor | None):
    """Mean loss over the answers' tokens, and the share of tokens that are right."""
    logits, labels = answers(model, batch, images, sounds)
    return F.cross_entropy(logits, labels), (logits.argmax(-1) == labels).float().mean().item()


def losses_of(model, batch: Batch, images: torch.Tensor | None) -> torch.Tensor:
    """Loss of each conversation on pictures, summed over its answers' tokens [B]."""
    logits, labels = answers(model, batch, images, None)
    rows = (batch.labels != IGNORED).nonzero()[:, 0]
    each = F.cross_entropy(logits, labels, reduction="none")
    return torch.zeros(len(batch.ids)).index_add(0, rows, each)
