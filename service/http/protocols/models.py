"""The list of models in the OpenAI form: the backbone, and the tasks that answer."""

from datetime import datetime

from fastapi import APIRouter, Depends, Request

from facet_vision.service.http.deps import ComponentsDependency, caller_of, needs
from facet_vision.service.http.parameters import TaskName, known_parameters
from facet_vision.service.predictor.protocol import BACKBONE

from .schemas import Model, ModelList, OpenAIProblem

router = APIRouter(
    prefix="/v1/models",
    tags=["embeddings"],
    responses={"4XX": {"model": OpenAIProblem}, "5XX": {"model": OpenAIProblem}},
    dependencies=[Depends(known_parameters)],
)


@router.get("", summary="List the models", dependencies=[Depends(needs())])
async def list_models(request: Request, components: ComponentsDependency) -> ModelList:
    """List the backbone and every live task that the key covers, in the form of OpenAI's API."""
    owner = components.backbone.name
    entries = await components.listing.live_entries()
    tasks = [_model(entry.name, entry.made, owner) for entry in entries]
    caller = caller_of(request)
    return ModelList(data=[each for each in (_backbone(owner), *tasks) if caller.sees(each.id)])


@router.get("/{task}", summary="Show a model", dependencies=[Depends(needs())])
async def show_model(task: TaskName, components: ComponentsDependency) -> Model:
    """Show a live task or the backbone, by the names that /v1/embeddings takes."""
    owner, resolver = components.backbone.name, components.resolver
    if task == BACKBONE or (task == owner and not resolver.knows(task)):
        return _backbone(owner)
    resolver.check(task)  # without reading: most names that nobody has end here
    await resolver.entry(task)
    return _model(task, resolver.check(task).made, owner)


def _backbone(name: str) -> Model:
    return Model(id=BACKBONE, created=0, owned_by=name)


def _model(name: str, made: datetime | None, owner: str) -> Model:
    assert made is not None, "a live task's history was read before"
    return Model(id=name, created=int(made.timestamp()), owned_by=owner)
