"""The chat in the terminal.

    cli          the command `gemma4 chat`
    app          wiring: theme, engine, the one screen
    screens/     chat: the conversation, its keys and commands
    widgets/     one class a file
    commands     what can be typed after a slash
    paths        text that was pasted or typed -> files
    attachment   a picture, clip or video in the composer: its size, its cost, its budget
    completion   what could be meant by what is being typed
    media/       clipboard, microphone, player, pictures as characters
    conversation what the model has been told so far

Nothing here imports MLX: the engine does, on its own thread, after the first frame is on the
screen.
"""
