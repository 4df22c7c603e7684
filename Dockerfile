# One image for CPU and GPU: torch's ordinary wheels bring the CUDA libraries and run without a device as well.
FROM python:3.11-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/facet
WORKDIR /src

# For an image without the 4 GiB of CUDA libraries: the URL of a package index that has torch's wheels for CPUs only.
# Their version, 2.15.0+cpu for example, counts as later than the ordinary one, so pip takes them.
ARG CPU_INDEX=
# Further parts of the package, separated by commas; heic is for photos of phones, otel for traces.
ARG EXTRAS=heic,otel

# Dependencies change seldom, the code often: install them first, so that the layer stays cached.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY deploy/requirements.py deploy/requirements.py
RUN /opt/facet/bin/python deploy/requirements.py "${EXTRAS}" > requirements.txt \
 && PIP_EXTRA_INDEX_URL="${CPU_INDEX}" /opt/facet/bin/pip install --constraint constraints.txt --requirement requirements.txt

# facet_vision holds links to the folders beside it.
COPY facet_vision facet_vision
COPY backbone backbone
COPY prompts_store prompts_store
COPY common common
COPY service service
COPY training training
COPY bench bench
RUN /opt/facet/bin/pip install --no-deps .


FROM python:3.11-slim

RUN useradd --no-log-init --uid 10001 --home-dir /var/lib/facet --create-home facet \
 && install --directory --owner facet --group facet /var/lib/facet/store
COPY --from=build /opt/facet /opt/facet

# Inside a container loopback reaches nobody, so the server listens on all addresses. It does so only when
# FACET_TRUST_NETWORK=1 says that the published port is guarded (docker-compose.yml publishes it on loopback).
# Nothing is written beside the store and /tmp, so that the root file system may be read-only.
ENV PATH=/opt/facet/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FACET_HOST=0.0.0.0 \
    FACET_PORT=8000 \
    FACET_STORE=/var/lib/facet/store

# By number, so that Kubernetes can check that it is not root.
USER 10001
WORKDIR /var/lib/facet
VOLUME /var/lib/facet/store
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"FACET_PORT\"]}/readyz', timeout=2)"]
CMD ["facet", "serve"]
