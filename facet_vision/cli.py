"""The `facet` command. Each subcommand lives in the room that it belongs to."""

import typer

from facet_vision.bench.command import app as bench
from facet_vision.service.client.command import predict, push, tasks
from facet_vision.service.command import serve
from facet_vision.training.ablation.command import ablate
from facet_vision.training.attention.command import attention
from facet_vision.training.command import train
from facet_vision.training.comparison.command import compare
from facet_vision.training.embedding.command import tsne
from facet_vision.training.pretrain.command import pretrain

app = typer.Typer(
    help="Many vision tasks from one frozen transformer: train, store and serve visual prompts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, train, push, predict, tasks, compare, ablate, tsne, attention, pretrain):
    app.command()(command)
app.add_typer(bench, name="bench")
