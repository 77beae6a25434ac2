"""Rules, what they may touch, and what follows from them for one model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from typing import Literal

from gemma4_mlx.config import ModelConfig, PackedFormat, parameter_shapes
from gemma4_mlx.errors import UsageError

Blocks = Literal["all", "ends", "experts"]

TEXT = "language_model.model"
MEDIA_PROJECTIONS = "embed_*.embedding_projection"
_LAYER = f"{TEXT}.layers.*"
_PACKABLE = (
    f"{TEXT}.embed_tokens",
    f"{TEXT}.embed_tokens_per_layer",
    f"{TEXT}.per_layer_model_projection",
    f"{_LAYER}.self_attn.[qkvo]_proj",
    f"{_LAYER}.mlp.*_proj",
    f"{_LAYER}.per_layer_input_gate",
    f"{_LAYER}.per_layer_projection",
    f"{_LAYER}.router.proj",
    f"{_LAYER}.experts.switch_glu.*_proj",
    MEDIA_PROJECTIONS,
)
"""All that can ever be packed. What is not listed (towers, norms, clip bounds, scalars) cannot."""

_IS_PACKABLE = re.compile("|".join(translate(pattern) for pattern in _PACKABLE))
_BLOCK = re.compile(rf"{re.escape(TEXT)}\.layers\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Rule:
    """How some modules are packed.

    Attributes:
        pattern: of module paths, with `*` and `?` as in a shell; a star crosses dots. The media
            projections are not text: only a pattern that begins with "embed_" means them.
        packed: the format; None to leave the modules as they are.
        layers: of which decoder blocks: "all", "ends" (see `end_blocks`), or "experts" (those
            that hold experts). Paths outside the blocks only fit rules for "all".
    """

    pattern: str
    packed: PackedFormat | None
    layers: Blocks = "all"

    def covers(self, path: str, config: ModelConfig) -> bool:
        """Whether the rule speaks of the module at `path`."""
        is_text = path.startswith(TEXT)
        if not fnmatchcase(path, self.pattern) or not (
            is_text or self.pattern.startswith("embed_")
        ):
            return False
        if self.layers == "all":
            return True
        block = _BLOCK.match(path)
        if block is None:
            return False
        if self.layers == "experts":
            return config.text_config.experts is not None
        return int(block[1]) in end_blocks(config)

    def fits(self, width: int) -> bool:
        """Whether rows of `width` values divide into the format's groups."""
        return self.packed is None or width % self.packed.group_size == 0


@dataclass(frozen=True)
class Recipe:
    """A named list of rules. What a name stands for never changes: a change gets a new version.

    Attributes:
        name: with its version, as "gemma4-mixed-4.v1".
        description: one sentence.
        rules: the first one that covers a module, and whose groups divide its rows, decides;
            where there is none the module is not packed.
        is_strict: whether a rule that covers nothing, or rows that it does not fit, is an error.
    """

    name: str
    description: str
    rules: tuple[Rule, ...]
    is_strict: bool = False

    def formats(self, config: ModelConfig) -> dict[str, PackedFormat]:
        """The format of each packed module by its path, in the order of `parameter_shapes`.

        Raises:
            UsageError: the recipe is strict, and a rule of it covers or fits nothing.
        """
        formats, idle = {}, list(self.rules)
        for path, shape in packable_shapes(config).items():
            covering = [rule for rule in self.rules if rule.covers(path, config)]
            idle = [rule for rule in idle if rule not in covering]
            if self.is_strict:
                self._check_width(covering[:1], path, shape[-1])
            rule = next((rule for rule in covering if rule.fits(shape[-1])), None)
            if rule is not None and rule.packed is not None:
                formats[path] = rule.packed
        if self.is_strict and idle:
            raise UsageError(
                f"recipe {self.name}: the pattern {idle[0].pattern!r} (layers "
                f"{idle[0].layers!r}) covers no module of this model that can be packed",
                "text matrices have paths like language_model.model.layers.0.mlp.up_proj",
            )
        return formats

    def _check_width(self, rules: list[Rule], path: str, width: int) -> None:
        for rule in rules:
            if rule.packed is not None and not rule.fits(width):
                raise UsageError(
                    f"recipe {self.name}: {path} has rows of {width} values, no multiple of the "
                    f"group_size {rule.packed.group_size} of the pattern {rule.pattern!r}",
                    "put a rule for it before that one",
                )


def end_blocks(config: ModelConfig) -> frozenset[int]:
    """Indices of the first and the last decoder blocks, which bear coarse weights worst.

    At either end one of sixteen: two of E2B's 35 and E4B's 42, one of 26B-A4B's 30, three of
    31B's 60. A model of less than sixteen blocks would be nothing but ends: it has none.
    """
    count = config.text_config.num_hidden_layers
    ends = count // 16
    return frozenset((*range(ends), *range(count - ends, count)))


def packable_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights that can be packed, by the path of their module."""
    return {
        path: shape
        for name, shape in parameter_shapes(config).items()
        if _IS_PACKABLE.match(path := name.removesuffix(".weight"))
    }
