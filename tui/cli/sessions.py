"""The command `gemma4 sessions`: kept chats on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from gemma4_mlx.command_options import json_option
from tui.text.printable import printable_line

if TYPE_CHECKING:
    from tui.store import SessionRow, Store

_ID_LENGTH = 8
"""Letters of an id that are shown; any beginning that only one chat has will do."""


def complete_id(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The ids that begin so, each with its title."""
    from gemma4_mlx.folders import data_folder
    from tui.store import Store

    store = Store.open(data_folder())
    rows = [row for row in store.sessions(limit=200) if row.id.startswith(incomplete)]
    store.close()
    return [CompletionItem(row.id[:_ID_LENGTH], help=printable_line(row.title)) for row in rows]


@click.group(invoke_without_command=True, short_help="List, read, export and delete chats.")
@click.pass_context
def sessions(ctx: click.Context) -> None:
    """List, read, export and delete kept chats. Without a command: list them.

    A chat's ID may be shortened; "last" is the newest.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_sessions)


@sessions.command("list", short_help="List chats, or those with some words in them.")
@click.argument("words", nargs=-1)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@json_option
def list_sessions(words: tuple[str, ...] = (), limit: int = 50, as_json: bool = False) -> None:
    """List chats, the newest first; with WORDS those that have a message with all of them."""
    with _store() as store:
        rows = store.sessions(" ".join(words), limit=limit + 1)
    if as_json:
        click.echo(json.dumps({"sessions": [asdict(row) for row in rows[:limit]]}, indent=2))
        return
    for row in rows[:limit]:
        click.echo(_line(row))
    if not rows:
        click.echo("no chat has these words" if words else "no chats are kept yet", err=True)
    elif len(rows) > limit:
        click.echo("there are more: --limit", err=True)


@sessions.command(short_help="Print a chat.")
@click.argument("session_id", metavar="ID", shell_complete=complete_id)
@json_option
def show(session_id: str, as_json: bool) -> None:
    """Print a chat as Markdown; with --json all versions of its questions and answers."""
    from tui.export import render_chat

    with _store() as store:
        conversation = store.load(store.resolve(session_id))
    click.echo(render_chat(conversation, "json" if as_json else "md").rstrip("\n"))


@sessions.command(short_help="Write a chat to a file.")
@click.argument("session_id", metavar="ID", shell_complete=complete_id)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A new file in .md, .html or .json; pictures and clips go along.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "html", "json"]),
    default="md",
    show_default=True,
    help="Without -o: what to print.",
)
def export(session_id: str, output: Path | None, form: str) -> None:
    """Write a chat to a file, or print it."""
    from tui.export import export_chat, render_chat

    with _store() as store:
        conversation = store.load(store.resolve(session_id))
    if output is None:
        click.echo(render_chat(conversation, form).rstrip("\n"))
        return
    for name in export_chat(conversation, output):
        click.echo(f"note: {printable_line(name)} is gone and left out", err=True)
    click.echo(output, err=True)


@sessions.command("import", short_help="Take in a chat that was exported as JSON.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def import_session(file: Path, as_json: bool) -> None:
    """Take in a chat that was exported as JSON, as a new chat."""
    from tui.export import import_chat

    conversation = import_chat(file)
    with _store() as store:
        remarks = store.write(conversation.take_changes()).remarks
    for remark in remarks:
        click.echo(f"note: {printable_line(remark)}", err=True)
    click.echo(json.dumps({"id": conversation.id}) if as_json else conversation.id)


@sessions.command(short_help="Delete chats.")
@click.argument("session_ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_id)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rm(session_ids: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete chats, with the pictures and clips that only they had."""
    with _store() as store:
        chosen = list(dict.fromkeys(map(store.resolve, session_ids)))
        if not yes:
            for session_id in chosen:
                title = printable_line(store.load(session_id).title)
                click.echo(f"{session_id[:_ID_LENGTH]}  {title}", err=True)
            many = "this chat" if len(chosen) == 1 else f"these {len(chosen)} chats"
            click.confirm(f"delete {many}?", abort=True, err=True)
        for session_id in chosen:
            store.delete(session_id)
    if as_json:
        click.echo(json.dumps({"deleted": chosen}))
    else:
        click.echo(f"deleted {', '.join(each[:_ID_LENGTH] for each in chosen)}")


@contextmanager
def _store() -> Iterator[Store]:
    """The chats of this user; trouble with them is said."""
    from gemma4_mlx.folders import data_folder
    from tui.store import Store, caches_folder

    store = Store.open(data_folder(), caches=caches_folder())
    if store.trouble:
        click.echo(f"note: {printable_line(store.trouble)}", err=True)
    try:
        yield store
    finally:
        store.close()


def _line(row: SessionRow) -> str:
    when = datetime.fromtimestamp(row.updated).strftime("%Y-%m-%d %H:%M")
    questions = f"{row.questions} question{'' if row.questions == 1 else 's'}"
    line = f"{row.id[:_ID_LENGTH]}  {when}  {printable_line(row.title)}  ({questions})"
    if row.snippet:
        found = row.snippet
        line += "\n          " + printable_line(found.before + found.match + found.after)
    return line
