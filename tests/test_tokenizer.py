"""Templates, ids, and text that cannot become control tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from gemma4_mlx.errors import MessageError, TokenizerError
from gemma4_mlx.messages import Message, TextPart
from gemma4_mlx.tokenizer import PUBLISHED_NAMES, Tokenizer
from tests.tiny_checkpoint import DATA, TEMPLATES, edit_json, write_checkpoint

EXAMPLES = json.loads((DATA / "rendered_examples.json").read_text())
CONTROLS = [*PUBLISHED_NAMES.values(), "<mask>", "[multimodal]"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "checkpoint")


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        family: Tokenizer.from_folder(write_checkpoint(folder / family, template=family))
        for family in TEMPLATES
    }


@pytest.fixture(scope="session")
def small(tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    return tokenizers["small"]


@pytest.fixture(scope="session")
def backend() -> Backend:
    return Backend.from_file(str(DATA / "tokenizer.json"))


def asked(case: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    options = dict(case["input"])
    messages = options.pop("messages")
    return messages, {"thinking": options.pop("enable_thinking", False), **options}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_published_examples_render_byte_for_byte(
    tokenizers: dict[str, Tokenizer], family: str, name: str
) -> None:
    messages, options = asked(EXAMPLES[name])
    assert tokenizers[family].render(messages, **options) == EXAMPLES[name]["rendered"][family]


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_ids_are_those_of_the_rendered_text(
    tokenizers: dict[str, Tokenizer], backend: Backend, family: str, name: str
) -> None:
    messages, options = asked(EXAMPLES[name])
    rendered = EXAMPLES[name]["rendered"][family]
    ids = tokenizers[family].encode_chat(messages, **options)
    assert ids == backend.encode(rendered, add_special_tokens=False).ids


def harmless(text: str) -> bool:
    return not any(control in text for control in CONTROLS)


@given(st.text().filter(harmless), st.text().filter(harmless))
@example("  \n x", "\n\n")
@example("a < b | c > d", "<|")
@example("[multi", "modal")
def test_ids_of_ordinary_text_are_those_of_the_rendered_text(
    small: Tokenizer, backend: Backend, first: str, second: str
) -> None:
    messages = [*user(first), {"role": "assistant", "content": second}, *user(second)]
    rendered = small.render(messages)
    assert small.encode_chat(messages) == backend.encode(rendered, add_special_tokens=False).ids


shards = [control[:cut] for control in CONTROLS for cut in range(1, len(control))]
shards += [control[cut:] for control in CONTROLS for cut in range(1, len(control))]
pieces = st.one_of(st.sampled_from(CONTROLS), st.sampled_from(shards), st.text(max_size=5))
nasty = st.lists(pieces).map("".join)
templates = st.sampled_from(list(TEMPLATES))


def conversation(texts: list[str]) -> list[dict[str, Any]]:
    system, ask, more, answer, thought, argument, result = texts
    call = {"type": "function", "id": "c", "function": {"name": "f", "arguments": {"a": argument}}}
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": [{"type": "text", "text": part} for part in (ask, more)]},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": ask},
        {"role": "assistant", "content": "", "reasoning": thought, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    ]


def controls(tokenizer: Tokenizer, texts: list[str], description: str) -> list[int]:
    tools = [{"function": {"name": "f", "description": description}}]
    ids = tokenizer.encode_chat(conversation(texts), tools=tools)
    return [token for token in ids if token in tokenizer.control_ids]


@given(templates, st.lists(nasty, min_size=7, max_size=7), nasty)
@example("small", ["<|ima", "<|ima", "ge|>", "<|chan<channel|>nel>", "<turn|>", "<|", '<|"|>'], "")
def test_pain_58_text_never_becomes_a_control_token(
    tokenizers: dict[str, Tokenizer], family: str, texts: list[str], description: str
) -> None:
    """The control tokens of a prompt do not depend on what anybody wrote in it."""
    tokenizer = tokenizers[family]
    # Only whether there are thoughts matters: the template opens their channel for them.
    plain = ["x", "x", "x", "x", "x" if texts[4] else "", "x", "x"]
    assert controls(tokenizer, texts, description) == controls(tokenizer, plain, "x")


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize("control", CONTROLS)
def test_pain_58_each_control_string_is_text_in_every_place(
    tokenizers: dict[str, Tokenizer], family: str, control: str
) -> None:
    tokenizer = tokenizers[family]
    wanted = controls(tokenizer, ["x"] * 7, "x")
    assert controls(tokenizer, [f"{control} {control}"] * 7, control) == wanted


@given(nasty)
def test_pain_58_what_the_user_wrote_is_still_there(small: Tokenizer, text: str) -> None:
    ids = small.encode_chat(user(f"({text})"))
    assert f"({text})" in small.decode(ids).replace("\u2581", " ") or "\u2581" in text


@given(nasty)
def test_pain_58_plain_text_is_spelled_out(small: Tokenizer, text: str) -> None:
    ids = small.encode(text)
    assert not small.control_ids & set(ids)
    assert small.decode(ids) == text.replace("\u2581", " ")


def test_pain_58_stand_ins_of_the_disguise_may_be_typed_too(small: Tokenizer) -> None:
    text = "".join(chr(0xF0000 + code) for code in range(9)) + "<turn|>"
    ids = small.encode_chat(user(text))
    assert text in small.decode(ids)
    assert ids.count(small.control.eot_token_id) == 1


def test_old_thoughts_in_an_answer_are_cut_as_the_template_wants(small: Tokenizer) -> None:
    told = "<|channel>thought\nsecret<channel|>Hello."
    ids = small.encode_chat([*user("Hi"), {"role": "assistant", "content": told}, *user("More")])
    assert "secret" not in small.decode(ids)
    assert "Hello." in small.decode(ids)
    assert small.control.soc_token_id not in ids


def test_one_bos_whatever_the_template_writes(checkpoint: Path) -> None:
    template = checkpoint / "chat_template.jinja"
    ids = Tokenizer.from_folder(checkpoint).encode_chat(user("<bos>"))
    template.write_text(template.read_text().replace("{{- bos_token -}}", ""))
    assert Tokenizer.from_folder(checkpoint).encode_chat(user("<bos>")) == ids
    assert ids.count(ids[0]) == 1
    template.write_text("{{ bos_token }}{{ bos_token }}")
    with pytest.raises(TokenizerError, match="writes 2 bos tokens"):
        Tokenizer.from_folder(checkpoint).encode_chat(user("x"))


def test_control_ids_come_from_the_tokenizer(small: Tokenizer, backend: Backend) -> None:
    for key, name in PUBLISHED_NAMES.items():
        assert getattr(small.control, f"{key}_id") == backend.token_to_id(name)
    assert small.control.image_token_id != 258880
    assert {backend.token_to_id(name) for name in CONTROLS} == small.control_ids
    assert small.vocab_size == backend.get_vocab_size()


@given(st.text(), st.sampled_from(["", "<|turn>", "<eos>"]))
def test_stream_never_breaks_a_character(small: Tokenizer, text: str, control: str) -> None:
    ids = small.encode(text)
    ids = [*ids, small.token_to_id(control), *ids] if control else ids
    decoder = small.stream_decoder()
    pieces = [decoder.feed(token) for token in ids]
    assert "\ufffd" not in "".join(pieces) or "\ufffd" in text
    assert decoder.flush() == ""
    assert "".join(pieces) == small.decode(ids)
    assert small.decode(ids) == text.replace("\u2581", " ") * (2 if control else 1)


@given(st.lists(st.integers(0, 499), max_size=30))
def test_any_ids_decode_the_same_in_one_and_in_pieces(small: Tokenizer, ids: list[int]) -> None:
    decoder = small.stream_decoder(skip_control=False)
    streamed = "".join([decoder.feed(token) for token in ids]) + decoder.flush()
    assert streamed == small.decode(ids, skip_control=False)


def test_unfinished_bytes_come_out_at_the_end(small: Tokenizer) -> None:
    first, second = (small.token_to_id(token) for token in ("<0xE2>", "<0x82>"))
    decoder = small.stream_decoder()
    assert [decoder.feed(first), decoder.feed(second), decoder.flush()] == ["", "", "\ufffd"]
    assert small.decode([first, *small.encode("a🙂")]) == "\ufffda🙂"


def test_decode_can_show_control_tokens(small: Tokenizer) -> None:
    ids = small.encode_chat(user("Hi"))
    assert small.decode(ids, skip_control=False) == small.render(user("Hi"))


@pytest.mark.parametrize("where", ["chat_template.json", "tokenizer_config.json", "list"])
def test_template_is_found_in_older_places(checkpoint: Path, where: str) -> None:
    path = checkpoint / "chat_template.jinja"
    source: Any = path.read_text()
    wanted = Tokenizer.from_folder(checkpoint).render(user("Hi"))
    path.unlink()
    if where == "list":
        source = [{"name": "tools", "template": ""}, {"name": "default", "template": source}]
        where = "tokenizer_config.json"
    if where == "chat_template.json":
        (checkpoint / where).write_text("{}")
    edit_json(checkpoint / where, chat_template=source)
    assert Tokenizer.from_folder(checkpoint).render(user("Hi")) == wanted


def test_message_values_render_as_their_chat_form(small: Tokenizer) -> None:
    messages = [Message("user", (TextPart(" Hi "),)), Message("assistant", (), {"tool_calls": []})]
    raw = [*user(" Hi "), {"role": "assistant", "content": "", "tool_calls": []}]
    assert small.render(messages) == small.render(raw)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, "does not exist"),
        ("tokenizer.json", "{", "cannot be read"),
        ("tokenizer_config.json", "[]", "must hold a JSON object"),
        ("tokenizer_config.json", "{", "is not valid JSON"),
        ("chat_template.jinja", "{% if %}", "not a valid Jinja template"),
        ("chat_template.jinja", b"\xff\xfe", "cannot be read"),
    ],
)
def test_missing_and_broken_files(checkpoint: Path, name: str, content: Any, message: str) -> None:
    path = checkpoint / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TokenizerError, match=message) as error:
        Tokenizer.from_folder(checkpoint)
    assert name in error.value.message


def test_base_checkpoint_without_template(checkpoint: Path) -> None:
    (checkpoint / "chat_template.jinja").unlink()
    tokenizer = Tokenizer.from_folder(checkpoint)
    assert tokenizer.decode(tokenizer.encode("Once upon")) == "Once upon"
    for ask in (tokenizer.render, tokenizer.encode_chat):
        with pytest.raises(TokenizerError, match="no chat template") as error:
            ask(user("Hi"))
        assert "-it" in error.value.hint


def test_missing_control_tokens_are_listed(checkpoint: Path) -> None:
    Backend(models.BPE()).save(str(checkpoint / "tokenizer.json"))
    with pytest.raises(TokenizerError, match=r"lacks the control tokens <pad>, <eos>"):
        Tokenizer.from_folder(checkpoint)


def test_tokenizers_of_another_kind_are_refused(checkpoint: Path) -> None:
    backend = Backend.from_file(str(checkpoint / "tokenizer.json"))
    backend.decoder = decoders.ByteLevel()
    backend.save(str(checkpoint / "tokenizer.json"))
    with pytest.raises(TokenizerError, match="byte-level"):
        Tokenizer.from_folder(checkpoint)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('user first') }}", "user first"),
        ("{{ messages[9].role.name }}", "cannot render"),
        ("{% set _ = messages.append(1) %}", "cannot render"),
    ],
)
def test_template_that_refuses_or_fails(checkpoint: Path, template: str, message: str) -> None:
    (checkpoint / "chat_template.jinja").write_text(template)
    tokenizer = Tokenizer.from_folder(checkpoint)
    for ask in (tokenizer.render, tokenizer.encode_chat):
        with pytest.raises(TokenizerError, match=message) as error:
            ask(user("Hi"))
        assert error.value.hint


def test_messages_are_checked_before_they_are_rendered(small: Tokenizer) -> None:
    with pytest.raises(MessageError, match="message 0"):
        small.render([{"role": "wizard", "content": "Hi"}])
