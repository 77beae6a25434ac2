"""Pictures, clips and videos of the next question."""

from __future__ import annotations

from collections.abc import Iterable

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.events import ModelReady
from gemma4_mlx.messages import ImageTokens
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.draft_arguments import named_place, refusal


class DraftFiles:
    """What is attached, in order.

    Args:
        image_tokens: budget of newly attached pictures; None for the checkpoint's own.
    """

    def __init__(self, image_tokens: ImageTokens | None = None) -> None:
        self._image_tokens: ImageTokens | None = image_tokens
        self._model: ModelReady | None = None
        self.attachments: tuple[Attachment, ...] = ()

    def meet(self, model: ModelReady) -> None:
        """The model is known now, and with it the budget of pictures that have none."""
        self._model = model
        self.put(self.attachments)

    def choose_default(self, image_tokens: ImageTokens | None) -> None:
        """The budget of pictures that are attached from now on; None for the checkpoint's own."""
        self._image_tokens = image_tokens

    def attach(self, attachment: Attachment) -> Attachment:
        """Read a file and attach it.

        Raises:
            AttachmentError: the file cannot be used, or the model does not take such.
        """
        whole = attachment.read().check()
        self._check(whole)
        self.put((*self.attachments, whole))
        return self.attachments[-1]

    def put(self, attachments: Iterable[Attachment]) -> None:
        """Have these and no others."""
        self.attachments = tuple(map(self._with_default, attachments))

    def take(self) -> tuple[Attachment, ...]:
        """What is attached; it is not any more.

        Raises:
            AttachmentError: the model, another one by now, does not take such.
        """
        for each in self.attachments:
            self._check(each)
        taken, self.attachments = self.attachments, ()
        return taken

    def set_budget(self, budget: ImageTokens, number: str = "") -> None:
        """Choose the budget of one picture, or of all that are attached or will be.

        Raises:
            UsageError: there is no such picture.
        """
        chosen = list(self.attachments)
        if number:
            place = named_place(number, len(chosen), "/budget")
            chosen[place] = chosen[place].with_budget(budget)
        else:
            self._image_tokens = budget
            chosen = [each.with_budget(budget) for each in chosen]
        self.attachments = tuple(chosen)

    def drop(self, argument: str) -> None:
        """As typed after /drop: the last, the one with the number, or all.

        Raises:
            UsageError: there is none.
        """
        number = "" if argument == "all" else argument
        place = named_place(number, len(self.attachments), "/drop")
        kept = [each for at, each in enumerate(self.attachments) if at != place]
        self.attachments = () if argument == "all" else tuple(kept)

    def lines(self) -> list[str]:
        """One for each, with its number."""
        if not self.attachments:
            return ["Nothing is attached."]
        return [f"{at}. {in_words(each)}" for at, each in enumerate(self.attachments, 1)]

    def _check(self, attachment: Attachment) -> None:
        if self._model is not None and (reason := refusal(attachment, self._model)):
            raise AttachmentError(reason.message, reason.hint)

    def _with_default(self, attachment: Attachment) -> Attachment:
        model, budget = self._model, self._image_tokens
        if model is not None:
            attachment = attachment.with_hearing(model.hears)
            budget = model.image_tokens if budget is None else budget
        has_own = attachment.image_tokens is not None
        return attachment if has_own else attachment.with_budget(budget)


def in_words(attachment: Attachment) -> str:
    """Name, cost, and what the model will get."""
    tokens = attachment.tokens()
    parts = [figures.tokens(tokens) if tokens is not None else "its cost depends on the model"]
    if attachment.kind == "image" and tokens is not None:
        seen = attachment.seen().removeprefix("sees ")
        given = figures.pixels(attachment.width, attachment.height)
        parts += [f"{given} seen as {seen}", f"budget {attachment.image_tokens}"]
    elif attachment.kind != "image":
        parts.append(attachment.seen())
    advice = attachment.advice()
    return f"{attachment.name}: {', '.join(parts)}" + (f" ({advice})" if advice else "")
