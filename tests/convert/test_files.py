"""Everything of a checkpoint's folder besides its weights: copied, made where missing, told."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from convert.config_file import write_config
from convert.files import put_files
from convert.tuning import checkpoint_name
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import ConfigError, Gemma4Error, TokenizerError
from gemma4_mlx.processing import Processor
from tests.tiny_checkpoint import DATA, edit_json, write_checkpoint

POCKET = Path(str(files("gemma4_mlx") / "pocket"))
AUXILIARY = (
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    *("processor_config.json", "generation_config.json"),
)
VOCAB_SIZE = json.loads((POCKET / "config.json").read_text())["text_config"]["vocab_size"]
QUESTION = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hi"}]}]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The bundled model without its weights."""
    folder = tmp_path / "pocket-it"
    folder.mkdir()
    for name in (*AUXILIARY, "config.json"):
        shutil.copy(POCKET / name, folder)
    (folder / "LICENSE").write_text("Apache-2.0")
    return folder


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    folder = tmp_path / "result"
    folder.mkdir()
    return folder


def convert(source: Path, dest: Path, **options) -> dict[str, tuple[str, str]]:
    reports = put_files(source, dest, **options)
    write_config(source, dest, quantization=None, provenance={})
    assert len({report.name for report in reports}) == len(reports)
    return {report.name: (report.how, report.why) for report in reports}


def make_base(source: Path) -> Path:
    """Take every sign of tuning from a folder."""
    (source / "chat_template.jinja").unlink()
    edit_json(source / "config.json", eos_token_id=None)
    return source.rename(source.with_name("pocket"))


def test_a_whole_folder_is_copied_byte_by_byte(source: Path, dest: Path):
    told = convert(source, dest)
    assert told == dict.fromkeys((*AUXILIARY, "LICENSE"), ("copied", ""))
    for name in told:
        assert (dest / name).read_bytes() == (source / name).read_bytes()


@pytest.mark.parametrize("name", AUXILIARY[1:])
def test_pain_29_a_missing_file_is_made_and_the_result_works(source: Path, dest: Path, name: str):
    (source / name).unlink()
    told = convert(source, dest)
    assert told[name][0] == "synthesised"
    assert [n for n, (how, _) in told.items() if how != "copied"] == [name]
    before, after = Processor.from_folder(POCKET), Processor.from_folder(dest)
    assert (after.images, after.audio) == (before.images, before.audio)
    assert after.tokenizer.encode_chat(QUESTION) == before.tokenizer.encode_chat(QUESTION)
    expected = json.loads((POCKET / name).read_text()) if name.endswith(".json") else {}
    assert json.loads((dest / "generation_config.json").read_text())["eos_token_id"] == [1, 17, 10]
    if name == "processor_config.json":
        made = json.loads((dest / name).read_text())
        assert made["feature_extractor"] == expected["feature_extractor"]
        assert made["image_processor"] == expected["image_processor"]


def test_pain_29_without_a_tokenizer_nothing_is_written(source: Path, dest: Path):
    (source / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match=r"pocket-it/tokenizer\.json does not exist"):
        put_files(source, dest)
    assert not list(dest.iterdir())


@pytest.mark.parametrize("name", [*AUXILIARY, "preprocessor_config.json", "added_tokens.json"])
def test_pain_29_a_broken_file_is_named_before_anything_is_written(source, dest, name):
    (source / name).write_text("{% if" if name.endswith("jinja") else '{"added_tokens":')
    with pytest.raises(Gemma4Error) as error:
        put_files(source, dest)
    assert str(source / name) in error.value.message
    assert not list(dest.iterdir())


@pytest.mark.parametrize("lacking", [None, {}], ids=["missing", "empty"])
@pytest.mark.parametrize("section", ["image_processor", "feature_extractor", "video_processor"])
def test_pain_29_a_missing_section_is_filled_in(source: Path, dest: Path, section: str, lacking):
    edit_json(source / "processor_config.json", **{section: lacking}, other=1)
    before = media_settings(source)
    how, why = convert(source, dest)["processor_config.json"]
    assert (how, section in why) == ("synthesised", True)
    made = json.loads((dest / "processor_config.json").read_text())
    assert made["other"] == 1
    original = json.loads((POCKET / "processor_config.json").read_text())
    assert made[section].keys() >= original[section].keys()
    assert media_settings(dest) == before


def media_settings(folder: Path) -> tuple[object, ...]:
    processor = Processor.from_folder(folder)
    return processor.images, processor.videos, processor.audio


def test_pain_29_the_template_may_lie_inside_another_file(source: Path, dest: Path):
    template = (source / "chat_template.jinja").read_text()
    (source / "chat_template.jinja").unlink()
    edit_json(source / "tokenizer_config.json", chat_template=template)
    assert convert(source, dest)["chat_template.jinja"] == (
        "copied",
        "taken out of tokenizer_config.json",
    )
    assert (dest / "chat_template.jinja").read_text() == template


@pytest.mark.parametrize(("family", "primes"), [("small", False), ("big", True)])
def test_pain_14_each_family_gets_its_own_template(
    tmp_path: Path, dest: Path, family: str, primes: bool
):
    source = write_checkpoint(tmp_path / "model-it", template=family)
    if family == "big":
        config = json.loads((DATA / "configs/gemma-4-31B-it.config.json").read_text())
        ids = json.loads((source / "config.json").read_text())
        ids = {key: ids[key] for key in ids if key.endswith("_token_id")}
        (source / "config.json").write_text(json.dumps({**config, **ids}))
    edit_json(source / "config.json", eoa_token_index=None)  # only the other spelling is adapted
    assert convert(source, dest)["chat_template.jinja"] == ("copied", "")
    (source / "chat_template.jinja").unlink()
    assert convert(source, dest)["chat_template.jinja"][0] == "synthesised"
    rendered = Processor.from_folder(dest).tokenizer.render([{"role": "user", "content": "Hi"}])
    assert ("<|channel>thought" in rendered) is primes


def test_pain_14_the_template_of_the_other_family_is_told(tmp_path: Path, dest: Path):
    source = write_checkpoint(tmp_path / "model-it", template="big")
    edit_json(source / "config.json", eoa_token_index=None)
    how, why = convert(source, dest)["chat_template.jinja"]
    assert (how, "empty thought" in why) == ("copied", True)


def test_a_template_without_a_place_for_pictures_is_told(source: Path, dest: Path):
    (source / "chat_template.jinja").write_text("{{ bos_token }}{{ messages | length }}")
    why = convert(source, dest)["chat_template.jinja"][1]
    assert ["for image" in why, "for audio" in why] == [True, True]
    edit_json(source / "config.json", vision_config=None)
    why = convert(source, dest)["chat_template.jinja"][1]
    assert ["for image" in why, "for audio" in why] == [False, True]


def test_pain_29_a_base_model_gets_no_template_and_asking_it_says_so(source: Path, dest: Path):
    source = make_base(source)
    (source / "generation_config.json").unlink()
    told = convert(source, dest)
    assert told["chat_template.jinja"][0] == "absent"
    assert "base model" in told["chat_template.jinja"][1]
    assert json.loads((dest / "generation_config.json").read_text())["eos_token_id"] == [1]
    with pytest.raises(TokenizerError, match="no chat template"):
        Processor.from_folder(dest)([{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize(
    ("hub_id", "eos", "how"),
    [
        ("google/gemma-4-E4B", 1, "absent"),
        ("it/gemma-4-E4B", 1, "absent"),
        ("google/gemma-4-E4B-it", 1, "synthesised"),
        ("mlx-community/gemma-4-e4b-it-4bit", 1, "synthesised"),
        ("me/visit-4bit", 1, "absent"),
        ("me/tuned", [1, 17], "synthesised"),
    ],
)
def test_pain_29_the_name_and_the_stop_ids_tell_base_from_it(source, dest, hub_id, eos, how):
    source = make_base(source)
    edit_json(source / "config.json", eos_token_id=eos)
    assert convert(source, dest, hub_id=hub_id)["chat_template.jinja"][0] == how


def test_the_published_base_and_tuned_configs_differ_in_where_they_stop():
    for name, stops in (("gemma-4-E4B", None), ("gemma-4-E4B-it", [1, 106])):
        raw = json.loads((DATA / f"configs/{name}.config.json").read_text())
        assert ModelConfig.from_dict(raw).raw.get("eos_token_id") == stops


def test_a_folder_of_the_hub_cache_has_its_hub_id(tmp_path: Path):
    commit = tmp_path / "models--google--gemma-4-E2B-it" / "snapshots" / "0123"
    assert checkpoint_name(commit) == "google/gemma-4-E2B-it"
    assert checkpoint_name(tmp_path / "mine") == "mine"


@pytest.mark.parametrize(
    "key", ["image_token_id", "video_token_id", "boi_token_id", "eoa_token_id", "eoa_token_index"]
)
def test_pain_61_ids_of_another_checkpoint_are_refused(source: Path, dest: Path, key: str):
    edit_json(source / "config.json", **{key: 4})
    with pytest.raises(TokenizerError, match=key):
        put_files(source, dest)
    assert not list(dest.iterdir())


def test_a_tokenizer_larger_than_the_embedding_is_refused(source: Path, dest: Path):
    text = json.loads((source / "config.json").read_text())["text_config"]
    size = Processor.from_folder(source).tokenizer.vocab_size
    for room in (size, size - 1):
        text |= {"vocab_size": room, "vocab_size_per_layer_input": room}
        edit_json(source / "config.json", text_config=text)
        if room == size:
            put_files(source, dest)
    with pytest.raises(TokenizerError, match=f"room for {size - 1}"):
        put_files(source, dest)


@pytest.mark.parametrize("wrong", [VOCAB_SIZE, -1, True, "1"])
def test_stop_ids_out_of_the_vocabulary_are_refused(source: Path, dest: Path, wrong: object):
    edit_json(source / "generation_config.json", eos_token_id=[VOCAB_SIZE - 1, wrong])
    with pytest.raises(ConfigError, match=f"holds {wrong!r}"):
        put_files(source, dest)


def test_pain_38_a_generation_config_that_runs_past_the_turn_is_told(source: Path, dest: Path):
    edit_json(source / "generation_config.json", eos_token_id=1)
    assert "end of a turn" in convert(source, dest)["generation_config.json"][1]


def test_a_base_model_need_not_stop_at_the_end_of_a_turn(source: Path, dest: Path):
    source = make_base(source)
    edit_json(source / "generation_config.json", eos_token_id=1)
    assert convert(source, dest)["generation_config.json"] == ("copied", "")


def test_what_is_not_taken_along_is_listed(source: Path, dest: Path):
    (source / "README.md").write_text("hello")
    (source / "modeling.py").write_text("")
    (source / "model.safetensors").write_bytes(b"")
    (source / "original").mkdir()
    (source / "LICENSE").unlink()
    told = convert(source, dest)
    left_out = {name for name, (how, why) in told.items() if how == "left out" and why}
    assert left_out == {"README.md", "modeling.py", "original/"}
    assert told["LICENSE"][0] == "absent"
    assert not {path.name for path in dest.iterdir()} & {"modeling.py", "original", "LICENSE"}


def test_all_that_the_law_asks_for_is_taken_along(source: Path, dest: Path):
    names = ["LICENCE.txt", "LICENSE", "LICENSE-data", "NOTICE.md"]
    for name in names:
        (source / name).write_text(name)
    told = convert(source, dest)
    assert [told[name] for name in names] == [("copied", "")] * 4
    assert [(dest / name).read_text() for name in names] == names


def test_a_read_only_source_gives_a_writable_result(source: Path, dest: Path):
    (source / "tokenizer.json").chmod(0o444)
    convert(source, dest)
    assert (dest / "tokenizer.json").stat().st_mode & 0o200


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("tokenizer.json", "{}"),
        ("chat_template.jinja", "{% if"),
        ("processor_config.json", '{"image_processor": 0}'),
        ("processor_config.json", '{"video_processor": 0}'),
        ("processor_config.json", '{"feature_extractor": 0}'),
    ],
)
def test_what_does_not_read_back_is_told(source: Path, dest: Path, monkeypatch, name, damaged):
    def copyfile(path: Path, copy: Path) -> None:
        copy.write_bytes(damaged.encode() if copy.name == name else path.read_bytes())

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(Gemma4Error) as error:
        put_files(source, dest)
    assert str(dest / name) in error.value.message


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_pain_29_other_programs_load_what_was_made(source: Path, dest: Path):
    for name in AUXILIARY[1:]:
        (source / name).unlink()
    convert(source, dest)
    lm = pytest.importorskip("mlx_lm.utils")
    rendered = lm.load_tokenizer(dest).apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert rendered.endswith("<|turn>model\n")
    vlm = pytest.importorskip("mlx_vlm.models.gemma4.processing_gemma4")
    processor = vlm.Gemma4Processor.from_pretrained(dest)
    assert processor.image_processor.max_soft_tokens == 70
    assert processor.feature_extractor is not None
    assert processor.chat_template


def test_config_json_keeps_what_it_said_and_gets_the_blocks(source: Path, dest: Path):
    block = {"group_size": 64, "bits": 4, "mode": "affine", "a.b": {"group_size": 64, "bits": 8}}
    edit_json(source / "config.json", something_new=[1])
    path = write_config(source, dest, quantization=block, provenance={"recipe": "plain-4"})
    made, original = json.loads(path.read_text()), json.loads((source / "config.json").read_text())
    assert {key: made[key] for key in original} == original
    assert made["quantization"] == made["quantization_config"] == block
    assert made["gemma4_mlx"] == {"recipe": "plain-4"}
    assert made["vocab_size"] == original["text_config"]["vocab_size"]
    format_of = ModelConfig.from_folder(dest).quantization.format_of
    assert [format_of(path).bits for path in ("a.b", "c")] == [8, 4]


def test_a_block_that_nobody_could_load_is_not_written(source: Path, dest: Path):
    with pytest.raises(ConfigError, match="bits"):
        write_config(source, dest, quantization={"group_size": 64, "bits": 7}, provenance={})
    assert not (dest / "config.json").exists()
