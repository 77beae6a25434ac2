"""The tokenizer of `pocket`: Gemma 4's kind and special tokens, a vocabulary of 1024."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 1024
# The names are Gemma 4's own; only pad, eos, bos and unk keep their published ids.
SPECIAL = (
    *("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]"),
    *("<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>"),
    *('<|"|>', "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>"),
    *("<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"),
)
IDS = {name: i for i, name in enumerate(SPECIAL)}
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_ASCII = [chr(code) for code in range(33, 127)]


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges from the training texts.

    Merges stay inside words while learning; a phrase that is one token would be learned by heart
    and could not be spelled in another order.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\n"), "isolated"),
            pre_tokenizers.Split("\u2581", "merged_with_next"),
            pre_tokenizers.Split(Regex(r"[^\u2581A-Za-z]"), "isolated"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*SPECIAL, *_BYTES],
        initial_alphabet=["\u2581", "\n", *_ASCII],
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _as_published(tokenizer)


def _as_published(tokenizer: Tokenizer) -> Tokenizer:
    """The same merges with the pre-tokenizer and the decoder of the published checkpoints."""
    final = Tokenizer(tokenizer.model)
    final.normalizer = normalizers.Replace(" ", "\u2581")
    final.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    final.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    final.add_special_tokens(list(SPECIAL))
    if final.get_vocab_size() != VOCABULARY:
        raise ValueError(f"{final.get_vocab_size()} tokens: the texts are too few for {VOCABULARY}")
    return final
