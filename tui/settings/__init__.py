"""What the chat remembers between two starts: one commented TOML file.

    kinds       what a setting may be: a switch, one of several, a number, text
    schema      the table of all settings
    preset      a system prompt and sampling under a name
    values      what is in force, and what is wrong with the file
    toml_file   reading and writing the file, comments kept

The order is: option on the command line, environment, file, the checkpoint's own default.
"""
