"""The ``jutsu`` command: one module a group of commands, loaded by who asks for it."""
