"""Tracing as the settings want it."""

from importlib.metadata import version

from .settings import Settings, SettingsError
from .telemetry.traces import NoTracing, Tracing


def tracing_of(settings: Settings) -> Tracing:
    """Return what records spans, if they are to be exported.

    OpenTelemetry is imported only then. Its threads do not survive a fork, so each process calls
    this for itself.

    Raises:
        SettingsError: they are, and the libraries for it are missing.
    """
    if not settings.trace_endpoint:
        return NoTracing()
    try:
        from .telemetry.otel import OpenTelemetry
    except ImportError as error:
        raise SettingsError(
            "trace_endpoint: expected the libraries of the extra `otel` "
            f"(pip install 'facet-vision[otel]'), found no {error.name}"
        ) from None
    return OpenTelemetry(
        settings.trace_ratio, version("facet-vision"), endpoint=settings.trace_endpoint
    )
