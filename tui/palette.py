"""What the palette offers: all commands, presets, themes, and whatever a key does here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen

from tui import keys
from tui.commands import COMMANDS, Command
from tui.theme import THEMES

OWN = ("obey(", "command_palette", "quit", "interrupt")
"""Beginnings of actions that are commands already, or make no sense here."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the palette.

    Attributes:
        title: what it does.
        detail: how else to get there.
        action: of the app, as in a binding.
        namespace: whose action it is; None for the app's.
    """

    title: str
    detail: str
    action: str
    namespace: App | Screen | None = None


class Palette(Provider):
    """Finds commands by their name and by what they do."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for entry in self._entries():
            title = Content(entry.title)
            yield DiscoveryHit(title, self._run(entry), text=entry.title, help=entry.detail)

    async def search(self, query: str) -> Hits:
        """Those that what was typed can mean."""
        matcher = self.matcher(query)
        for entry in self._entries():
            score = max(matcher.match(entry.title), matcher.match(entry.detail))
            if score > 0:
                title = matcher.highlight(entry.title)
                yield Hit(score, title, self._run(entry), text=entry.title, help=entry.detail)

    def _run(self, entry: Entry) -> partial[object]:
        return partial(self.app.run_action, entry.action, entry.namespace or self.app)

    def _entries(self) -> Iterator[Entry]:
        active = [each for each in self.screen.active_bindings.values() if each.binding.id]
        by_action = {each.binding.action: keys.named(each.binding.key) for each in active}
        for command in COMMANDS:
            key = by_action.get(f"obey('{command.name}')", "")
            yield _of_command(command, key)
        for each in active:
            binding = each.binding
            if isinstance(each.node, App | Screen) and not binding.action.startswith(OWN):
                key = keys.named(binding.key)
                yield Entry(binding.description, key, binding.action, each.node)
        for theme in THEMES:
            yield Entry(f"Theme: {theme}", f"/theme {theme}", f"obey('theme', '{theme}')")


def _of_command(command: Command, key: str) -> Entry:
    title = command.summary[:1].upper() + command.summary[1:]
    detail = " · ".join(filter(None, (command.usage, key)))
    needs_more = command.arguments and not command.arguments.startswith("[")
    return Entry(title, detail, f"{'begin' if needs_more else 'obey'}('{command.name}')")
