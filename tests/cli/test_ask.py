"""`gemma4 ask` in this process: what it asks the model, what it prints, how it fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from PIL import Image

from gemma4_mlx import errors, loading
from gemma4_mlx import turn as turn_module
from gemma4_mlx.cli import main
from gemma4_mlx.events import Finished, MediaReceipt, Timings, Usage
from gemma4_mlx.messages import AudioPart, ImagePart
from tests.cli.scripted import replacements
from tests.processing.video_files import write_video
from tests.tiny_checkpoint import write_checkpoint


@pytest.fixture
def run(monkeypatch):
    """run(script, *arguments, stdin=...) -> click's result."""

    def run_script(script, *arguments, stdin=b"", **options):
        for module, attributes in replacements(script).items():
            for name, value in attributes.items():
                monkeypatch.setattr(module, name, value)
        return CliRunner().invoke(main, arguments, input=stdin, prog_name="gemma4", **options)

    return run_script


@pytest.fixture
def asked(monkeypatch):
    """Runs `gemma4 ask` on a model that only notes the question: (name, messages, options)."""
    seen = {}
    receipts = [
        MediaReceipt("image", "a.png", 12, 12, 30, 20, 192, 144, 70, sha256="ab"),
        MediaReceipt("audio", "b.wav", 25, 25, seconds=1.0, sha256="cd"),
    ]
    finished = Finished("stop", Usage(9, 0, 3), Timings(0.0, 0.5, 18.0, 4.0), 1234)

    real_find = loading.find_checkpoint

    def find_checkpoint(name, *, on_progress):
        seen["model"] = name
        return real_find("pocket")

    def load(folder, *, on_progress):
        assert folder == real_find("pocket")
        return None, None

    def stream(model, processor, messages, **options):
        seen.update(messages=messages, options=options)
        return [*receipts, finished]

    monkeypatch.setattr(loading, "find_checkpoint", find_checkpoint)
    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setattr(turn_module, "stream", stream)

    def ask(*arguments, stdin="", env=None):
        result = CliRunner().invoke(main, ["ask", *arguments], input=stdin, env=env)
        assert result.exit_code == 0, result.output
        return seen | {"stdout": result.stdout}

    return ask


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "sunset.png"
    Image.new("RGB", (30, 20)).save(path)
    return path


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "voice.wav"
    soundfile.write(path, np.zeros(16_000), 16_000)
    return path


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("answer", "Grüß dich! 🎉\n"),
        ("newlines", "\nTwo\n\nlines\n"),
        ("thought", "Yes.\n"),
        ("nothing", "\n"),
    ],
)
def test_stdout_is_the_answer_alone(run, script, answer):
    done = run(script, "ask", "Hi")
    assert (done.exit_code, done.stdout, done.stderr) == (0, answer, "")


def test_json_is_one_line_of_the_documented_fields(run):
    done = run("thought", "ask", "Hi", "--json")
    (line,) = done.stdout.splitlines()
    printed = json.loads(line)
    assert list(printed) == [
        *("text", "thought", "tool_calls", "finish_reason"),
        *("usage", "media", "timings", "memory"),
    ]
    assert (printed["text"], printed["thought"]) == ("Yes.", "Hm.")
    assert (printed["tool_calls"], printed["finish_reason"], printed["media"]) == ([], "stop", [])
    assert set(printed["usage"]) == {"prompt_tokens", "reused_tokens", "completion_tokens"}
    assert printed["usage"]["prompt_tokens"] == 2
    assert done.stderr == ""


def test_json_tells_media_timings_and_memory(asked):
    printed = json.loads(asked("Hi", "--json")["stdout"])
    fields = ["kind", "name", "tokens", "rows", "width", "height", "seen_width"]
    fields += ["seen_height", "image_tokens", "seconds", "start_s", "frames", "left_out", "sha256"]
    fields += ["factor"]
    assert [list(media) for media in printed["media"]] == [fields] * 2
    image, audio = printed["media"]
    assert list(image.values()) == [
        *("image", "a.png", 12, 12, 30, 20, 192, 144, 70, 0.0, 0.0, 0, "", "ab", 6.788)
    ]
    assert list(audio.values()) == [
        *("audio", "b.wav", 25, 25, 0, 0, 0, 0, 0, 1.0, 0.0, 0, "", "cd", 1.0)
    ]
    load_s = printed["timings"].pop("load_s")
    assert load_s > 0
    assert printed["timings"] == {
        "first_token_s": 0.5,
        "prefill_tokens_per_s": 18.0,
        "decode_tokens_per_s": 4.0,
    }
    assert printed["memory"] == {"peak_bytes": 1234}


def test_a_tool_call_is_told_but_not_printed(run):
    done = run("call", "ask", "Time?")
    assert (done.exit_code, done.stdout) == (0, "\n")
    assert "called a tool, now;" in done.stderr
    printed = json.loads(run("call", "ask", "Time?", "--json").stdout)
    assert printed["finish_reason"] == "tool_call"
    (call,) = printed["tool_calls"]
    assert (call["name"], call["arguments"]) == ("now", {"zone": "UTC"})


def test_a_cut_answer_says_so(run):
    done = run("answer", "ask", "Hi", "--max-tokens", "2")
    assert (done.exit_code, done.stdout) == (0, "Gr\n")
    assert done.stderr == "note: the answer was cut off after 2 tokens\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "text"),
    [
        (["Hi"], "", "Hi"),
        ([], "Hi\n", "Hi"),
        (["Sum up:"], "\nOne\n\nTwo\n", "Sum up:\n\nOne\n\nTwo"),
        ([], "\ufeffHi", "Hi"),
    ],
)
def test_stdin_is_appended_to_the_prompt(asked, arguments, stdin, text):
    (message,) = asked(*arguments, stdin=stdin)["messages"]
    assert message == {"role": "user", "content": [{"type": "text", "text": text}]}


def test_attachments_come_first_in_their_order(asked, picture, clip):
    renamed = clip.rename(clip.with_name("voice.png"))  # the content tells the kind
    arguments = ["-a", str(renamed), "-a", str(picture), "--system", "Be brief.", "What?"]
    system, user = asked(*arguments)["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"] == [
        AudioPart(renamed, name="voice.png"),
        ImagePart(picture, name="sunset.png"),
        {"type": "text", "text": "What?"},
    ]


def test_options_reach_the_turn(asked):
    defaults = asked("Hi")
    assert defaults["model"] == "pocket"
    assert defaults["options"] == {
        **dict.fromkeys(["image_tokens", "temperature", "top_p", "top_k", "seed"]),
        "max_tokens": 2048,
        "thinking": False,
    }
    chosen = asked(
        *("Hi", "-m", "E2B", "--image-tokens", "560", "--think", "--max-tokens", "5"),
        *("--temperature", "0.5", "--top-p", "0.9", "--top-k", "3", "--seed", "7"),
    )
    assert chosen["model"] == "E2B"
    assert chosen["options"] == {
        "image_tokens": 560,
        "thinking": True,
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "seed": 7,
    }
    assert asked("Hi", "--image-tokens", "auto")["options"]["image_tokens"] == "auto"


def test_the_environment_names_the_model(asked):
    assert asked("Hi", env={"GEMMA4_MODEL": "E4B"})["model"] == "E4B"
    assert asked("Hi", "-m", "E2B", env={"GEMMA4_MODEL": "E4B"})["model"] == "E2B"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--image-tokens", "100", "Hi"], "--image-tokens"),
        (["--top-p", "2", "Hi"], "--top-p"),
        (["--temperature", "-1", "Hi"], "--temperature"),
        (["--max-tokens", "0", "Hi"], "--max-tokens"),
        (["--loud", "Hi"], "--loud"),
        (["Hi", "there"], "put the question in quotes"),
        ([], "No question"),
        (["-a", "photo.png"], "No question"),
    ],
)
def test_usage_errors(run, arguments, says):
    done = run("RuntimeError", "ask", *arguments)  # loading a model would be a fault
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_question_that_is_no_text_is_a_usage_error(run):
    done = run("RuntimeError", "ask", stdin=b"\xff\xfe")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: standard input is not text in UTF-8\nhint: ")


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error")])
def test_each_error_has_its_exit_code(run, monkeypatch, name):
    kind = getattr(errors, name)
    if name == "PlaceholderMismatchError":
        kind = type(name, (errors.Gemma4Error,), {"exit_code": kind.exit_code})
        monkeypatch.setattr(errors, name, kind)
    done = run(name, "ask", "Hi")
    assert (done.exit_code, done.stdout) == (kind.exit_code, "")
    assert done.stderr == "error: It broke.\nhint: mend it\n"


def test_a_fault_shows_where_it_is(run):
    done = run("RuntimeError", "ask", "Hi")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert "error: unexpected RuntimeError: a fault\n" in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"words", "is not a picture of a known type"),
        (b"RIFF\0\0\0\0WAVEjunk", "is not a clip of a known type"),
    ],
)
def test_bad_attachments_are_found_before_the_model_loads(run, tmp_path, content, says):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    done = run("RuntimeError", "ask", "Hi", "-a", str(path))
    assert (done.exit_code, done.stdout) == (5, "")
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def test_pain_13_whoever_refuses_the_split_is_told(run, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(31_000), 1000)
    film = write_video(tmp_path / "a.mp4", 2, sound_s=31.0)
    for path in (tmp_path / "a.wav", film):
        done = run("RuntimeError", "ask", "Hi", "-a", str(path), "--no-split")
        assert (done.exit_code, done.stdout) == (5, "")
        assert f"{path.name} is 31.0 s long, and must not be split" in done.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("https://localhost/a.png", "this is an address; download it"),
        ("~/a.png", "a shell leaves ~ and * as they are in quotes"),
        ("*.png", "a shell leaves ~ and * as they are in quotes"),
        ("a.png", "hint: check the path\n"),
    ],
)
def test_a_name_that_the_shell_left_alone_is_told(run, name, hint):
    done = run("RuntimeError", "ask", "Hi", "-a", name)
    assert done.exit_code == 5
    assert f"{name}: no such file\n" in done.stderr
    assert hint in done.stderr


@pytest.mark.parametrize(
    ("lacks", "files", "says"),
    [
        ("hears", ["sunset.png", "voice.wav"], "voice.wav: {} has no audio tower"),
        ("sees", ["voice.wav", "sunset.png"], "sunset.png: {} has no vision tower"),
        ("hears", ["sunset.png"], ""),
        ("sees", ["voice.wav"], ""),
    ],
)
def test_what_a_model_cannot_take_is_told_before_it_loads(
    run, tmp_path, picture, clip, lacks, files, says
):
    folder = write_checkpoint(tmp_path / "model", **{lacks: False})
    attached = [argument for name in files for argument in ("-a", str(tmp_path / name))]
    done = run("MemoryLimitError", "ask", "Hi", "-m", str(folder), *attached)
    refused = (5, f"error: {says.format(folder)}")
    assert (done.exit_code, done.stderr.partition(",")[0]) == (
        refused if says else (4, "error: It broke.\nhint: mend it\n")
    )
