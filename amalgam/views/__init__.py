"""What the commands show: each function does one command's work and writes it for a reader.

Names are shown as Text: a label called `[red]` is a name, not markup.
"""
