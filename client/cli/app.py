"""The commands, put together. Imports nothing slow: every command imports what it needs when it runs."""

from __future__ import annotations

import typer

from client.cli import answering, hosting, looking, running, steering

app = typer.Typer(
    name="plangate",
    help="Agents whose plans pass through gates: a model proposes, the workflow disposes.",
    epilog='Start with `plangate demo`, or `plangate up` and then `plangate run support "…"`.',
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for theme in (running, answering, looking, steering, hosting):
    theme.register(app)
