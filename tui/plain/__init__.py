"""The chat line by line, for screen readers, slow lines and terminals that can do little.

    running     with signals, on standard input and output
    loop        a line is read, and obeyed or answered
    chat        the conversation: questions, answers, chats
    stage       what the parts need of it
    console     lines in, lines out
    engine_link the engine, heard while nobody types
    narrator    a turn in words, as it comes
    draft_files pictures, clips and videos of the next question
    commands    what the slash commands do here
    room        a context that is full
    keeper      chats on the disk
    pace        how often something that changes all the time is said

Nothing moves the cursor, nothing spins, and nothing is written while a line is being typed.
"""

from tui.plain.running import run_plain

__all__ = ["run_plain"]
