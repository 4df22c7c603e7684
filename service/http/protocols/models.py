"""The list of models in the OpenAI form: the backbone, and the tasks that answer."""

from fastapi import APIRouter, Depends, Request

from facet_vision.service.http.deps import ComponentsDependency, caller_of, needs
from facet_vision.service.http.parameters import TaskName, known_parameters
from facet_vision.service.predictor.protocol import BACKBONE
from facet_vision.service.residency.registry import Entry

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
    tasks = [_model(entry, owner) for entry in await components.listing.live_entries()]
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
    return _model(resolver.check(task), owner)


def _backbone(name: str) -> Model:
    return Model(id=BACKBONE, created=0, owned_by=name)


def _model(entry: Entry, owner: str) -> Model:
    assert entry.state is not None, "its history was read before"
    assert entry.live is not None, "it is live"
    made = entry.state.version(entry.live).at
    return Model(id=entry.name, created=int(made.timestamp()), owned_by=owner)
