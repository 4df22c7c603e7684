"""The gRPC server: its calls, and the sentences and codes of what they refuse."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from facet_vision.prompts_store.events import MAX_BY_LENGTH
from facet_vision.service.access import ANYONE, Caller, Scope, audit
from facet_vision.service.components import Components
from facet_vision.service.errors import DeadlineExceeded, ServiceError
from facet_vision.service.http.error_forms import sentence
from facet_vision.service.http.middleware.body_budget import BodyBudget
from facet_vision.service.http.middleware.request_ids import ids_of, tell
from facet_vision.service.http.problems import status_of
from facet_vision.service.oip import inference, models
from facet_vision.service.settings import Settings, SettingsError
from facet_vision.service.telemetry.request_log import Facts, note, noting

from .arrivals import Arrivals
from .convert import infer_request, infer_response, load_parameters, of_document
from .messages import POOL, SERVICE, message

logger = logging.getLogger("facet.service")

Context = Any
"""That of one call, `grpc.aio.ServicerContext`."""

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""The code that stands for an HTTP status, so that both ways refuse the same things alike."""

OPEN = frozenset({"ServerLive", "ServerReady"})
"""Calls that are answered without a key, as probes are."""

SHUTDOWN_SECONDS = 5.0


@asynccontextmanager
async def serving(components: Components) -> AsyncIterator[int]:
    """Serve beside HTTP until the block ends, and yield the port.

    Raises:
        SettingsError: the port cannot be had.
    """
    settings = components.settings
    most = max(settings.max_request_bytes, settings.max_task_bytes) + 64 * 1024
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", most),
            ("grpc.so_reuseport", 0),
            ("grpc.max_metadata_size", settings.max_head_bytes),
        ],
        maximum_concurrent_rpcs=settings.queue_limit,
    )
    calls = Calls(components)
    server.add_generic_rpc_handlers((calls.handlers(),))
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=POOL)
    port = _listen(server, settings)
    await server.start()
    logger.info("gRPC at %s:%d", settings.host, port)
    try:
        yield port
    finally:
        await healthy.enter_graceful_shutdown()
        await server.stop(SHUTDOWN_SECONDS)


def _listen(server: Any, settings: Settings) -> int:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.grpc_port}"
    try:
        if settings.tls_cert is None:
            return cast(int, server.add_insecure_port(address))
        current = partial(_certificate, settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        credentials = grpc.dynamic_ssl_server_credentials(
            current(),
            current,  # asked at each handshake, so that a renewed certificate is taken
            require_client_authentication=settings.tls_client_ca is not None,
        )
        return cast(int, server.add_secure_port(address, credentials))
    except RuntimeError:
        raise SettingsError(f"grpc_port: expected a free port, found {address} in use") from None


def _certificate(cert: Path, key: Path | None, client_ca: Path | None) -> Any:
    pair = (key or cert).read_bytes(), cert.read_bytes()
    issuers = client_ca.read_bytes() if client_ca else None
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=issuers)


class Calls:
    """The calls of the protocol. Only the event loop uses it.

    Args:
        components: answer them.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        settings = components.settings
        self._arrivals = Arrivals(
            BodyBudget(settings.max_inflight_bytes), settings.deadline_seconds
        )

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return what the server needs to know of the calls."""
        unary: dict[str, tuple[Scope | None, Callable[..., Awaitable[Any]]]] = {
            "ServerLive": (None, self._live),
            "ServerReady": (None, self._ready),
            "ModelReady": (None, self._model_ready),
            "ServerMetadata": (None, self._server_metadata),
            "ModelMetadata": (None, self._model_metadata),
            "ModelConfig": (None, self._model_config),
            "ModelStatistics": (None, self._model_statistics),
            "RepositoryIndex": (None, self._index),
            "RepositoryModelLoad": ("publish", self._load),
            "RepositoryModelUnload": ("publish", self._unload),
            "ModelInfer": ("infer", self._infer),
        }
        handlers = {
            # Of a stream with one message: see `arrivals`.
            name: grpc.stream_unary_rpc_method_handler(
                partial(self._answer, name, scope, answer),
                response_serializer=message(f"{name}Response").SerializeToString,
            )
            for name, (scope, answer) in unary.items()
        }
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
            self._stream,
            response_serializer=message("ModelStreamInferResponse").SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def _answer(
        self,
        name: str,
        scope: Scope | None,
        answer: Callable[..., Awaitable[Any]],
        requests: AsyncIterator[bytes],
        context: Context,
    ) -> Any:
        """Answer a call, or end it with the code and the sentence of what went wrong."""
        with self._told(name, context) as call:
            task = None
            try:
                call.caller = ANYONE if name in OPEN else self._caller(context)
                call.caller.require(scope)
                call.facts.key = call.caller.name
                data = await self._arrivals.only(requests)
                with self._arrivals.held(data, message(f"{name}Request")) as request:
                    del data
                    task = getattr(request, "model_name", "")
                    return await answer(request, context, call.caller)
            except Exception as error:
                code, text = self._refusal(error, call)
            finally:
                if scope == "publish":
                    _record(name, task, call, context)
        return await context.abort(code, text)

    @contextmanager
    def _told(self, name: str, context: Context) -> Iterator["_Call"]:
        """Give a call its id and its span, and tell of it when it is done."""
        given = [
            (str(key).encode(), value if isinstance(value, bytes) else str(value).encode())
            for key, value in context.invocation_metadata() or ()
        ]
        ids = ids_of(given, self._components.tracing)
        call = _Call(Facts(route=f"/{SERVICE}/{name}"), ids.request)
        begun = perf_counter()
        with ids.known(), noting(call.facts):
            try:
                yield call
            finally:
                tell(ids, "gRPC", call.status, perf_counter() - begun, call.facts)

    def _refusal(
        self, error: Exception, call: "_Call | None" = None
    ) -> tuple[grpc.StatusCode, str]:
        """Return how a call ends, count why, and note it of the call."""
        status, reason = status_of(error)
        if call is not None:
            call.status, call.reason = status, reason
        self._components.metrics.count_rejection(reason)
        if status == 500:
            logger.error("gRPC: %s", error, exc_info=error)
        return CODES.get(status, grpc.StatusCode.INTERNAL), sentence(error)

    def _caller(self, context: Context) -> Caller:
        """Return who calls.

        Raises:
            Unauthorized: it shows no key that holds, or several.
        """
        metadata = context.invocation_metadata() or ()
        shown = [str(value) for name, value in metadata if name == "authorization"]
        return self._components.keys.caller(shown[0] if len(shown) == 1 else None)

    async def _stream(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        """Answer the requests of a stream in their order; one that fails does not end it."""
        Request, Response = message("ModelInferRequest"), message("ModelStreamInferResponse")
        try:
            caller = self._caller(context)
            caller.require("infer")
        except ServiceError as error:
            await context.abort(*self._refusal(error))
        async for data in requests:
            with self._told("ModelStreamInfer", context) as call:
                call.facts.key = caller.name
                try:
                    caller = self._caller(context)  # again for each: a stream may outlive its key
                    with self._arrivals.held(data, Request) as request:
                        answer = await self._infer(request, context, caller)
                    response = Response(infer_response=answer)
                except Exception as error:
                    response = Response(error_message=self._refusal(error, call)[1])
            yield response

    async def _live(self, *_: Any) -> Any:
        return message("ServerLiveResponse")(live=self._components.sound)

    async def _ready(self, *_: Any) -> Any:
        return message("ServerReadyResponse")(ready=self._components.obstacle is None)

    async def _model_ready(self, request: Any, _: Context, caller: Caller) -> Any:
        caller.require(None, request.name)
        try:
            models.check_version(await self._components.listing.find(request.name), request.version)
        except ServiceError:
            return message("ModelReadyResponse")(ready=False)
        return message("ModelReadyResponse")(ready=True)

    async def _server_metadata(self, *_: Any) -> Any:
        return of_document("ServerMetadataResponse", models.server_metadata())

    async def _model_metadata(self, request: Any, _: Context, caller: Caller) -> Any:
        caller.require(None, request.name)
        size = self._components.backbone.preprocess.input_size
        listed = await self._components.listing.find(request.name)
        return of_document("ModelMetadataResponse", models.metadata(listed, request.version, size))

    async def _model_config(self, request: Any, _: Context, caller: Caller) -> Any:
        caller.require(None, request.name)
        components = self._components
        size, most = components.backbone.preprocess.input_size, components.settings.max_images
        document = models.config(
            await self._components.listing.find(request.name), request.version, size, most
        )
        return of_document("ModelConfigResponse", {"config": document})

    async def _model_statistics(self, request: Any, _: Context, caller: Caller) -> Any:
        components = self._components
        if request.name:
            caller.require(None, request.name)
            live = models.check_version(
                await self._components.listing.find(request.name), request.version
            )
            found = [components.statistics.document(request.name, live)]
        else:
            entries = await components.listing.live_entries()
            found = components.statistics.documents(entries, caller.sees)
        return of_document("ModelStatisticsResponse", {"model_stats": found})

    async def _index(self, request: Any, _: Context, caller: Caller) -> Any:
        rows = await self._components.repository.index(caller.sees, ready=request.ready)
        return of_document("RepositoryIndexResponse", {"models": rows})

    async def _load(self, request: Any, context: Context, caller: Caller) -> Any:
        caller.require("publish", request.model_name)
        parameters = load_parameters(request.parameters)
        await self._components.repository.load(
            request.model_name, parameters, by=_by(caller, context)
        )
        return message("RepositoryModelLoadResponse")()

    async def _unload(self, request: Any, context: Context, caller: Caller) -> Any:
        caller.require("publish", request.model_name)
        await self._components.repository.unload(request.model_name, by=_by(caller, context))
        return message("RepositoryModelUnloadResponse")()

    async def _infer(self, request: Any, context: Context, caller: Caller) -> Any:
        caller.require("infer", request.model_name)
        components = self._components
        settings, clock = components.settings, components.clock
        deadline = clock() + min(
            settings.deadline_seconds, context.time_remaining() or settings.deadline_seconds
        )
        asked = infer_request(request)
        note(tasks=(asked.model,))
        images = inference.images_of(
            asked.inputs, components.backbone.preprocess.input_size, settings.max_images
        )
        note(images=len(images))
        wanted = asked.predict_request(len(images), deadline, clock(), caller.name)
        try:
            async with asyncio.timeout(max(0.0, wanted.deadline - clock())):
                _, predictions = await components.context.answer(wanted, images)
        except TimeoutError:
            raise DeadlineExceeded from None
        outputs = inference.outputs_of(asked, predictions)
        return infer_response(asked, predictions[0].version, outputs)


@dataclass
class _Call:
    """What is told of a call once it is done."""

    facts: Facts
    request: str
    caller: Caller = ANYONE
    status: int = 200
    reason: str | None = None


def _record(name: str, task: str | None, call: _Call, context: Context) -> None:
    """Write a change into the record of changes."""
    done = call.status < 400
    audit.record(
        who=call.caller.name,
        where=context.peer(),
        what=f"gRPC {name}",
        outcome="done" if done else "refused" if call.status < 500 else "failed",
        task=task,
        reason=call.reason,
        request=call.request,
    )


def _by(caller: Caller, context: Context) -> str:
    """Return who stands in the history: the key's name, without keys the client's address."""
    return caller.name or f"grpc:{context.peer()}"[:MAX_BY_LENGTH]
