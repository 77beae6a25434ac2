"""What the chat remembers between two starts: one commented TOML file.

    kinds       what a setting may be: a switch, one of several, a number, text
    schema      the table of all settings
    preset      a system prompt and sampling under a name
    values      what the file says, and what is wrong with it
    toml_file   reading and writing it, comments kept
    preferences what holds now, and changing it

The order is: option on the command line, environment, file, the checkpoint's own default.
"""
