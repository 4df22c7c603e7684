"""The `facet` command. Each subcommand lives in the room that it belongs to."""

import typer

from bench.command import app as bench
from service.client_command import predict, push, tasks
from service.command import serve
from training.ablation.command import ablate
from training.attention.command import attention
from training.command import train
from training.comparison.command import compare
from training.embedding.command import tsne
from training.pretrain.command import pretrain

app = typer.Typer(
    help="Many vision tasks from one frozen transformer: train, store and serve visual prompts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, train, push, predict, tasks, compare, ablate, tsne, attention, pretrain):
    app.command()(command)
app.add_typer(bench, name="bench")
