# The services and their provisioning in one image (target `services`, the last), and the mail sink
# and the SMS stand-in for tests in another (target `stand-ins`).

FROM python:3.11-slim-bookworm AS base
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin steward
ENV PATH=/opt/steward/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp

FROM base AS build
ENV UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_LINK_MODE=copy VIRTUAL_ENV=/opt/steward
WORKDIR /build
COPY stack/prepare stack/
RUN pip install --no-cache-dir --root-user-action=ignore "uv==$(sed -n 's/^UV_VERSION=//p' stack/prepare)" \
 && uv venv --quiet --python /usr/local/bin/python3.11 /opt/steward
COPY pyproject.toml requirements.lock ./
COPY libs libs
COPY services services
# As constraints, so that of the lock only what the services need is installed; uv demands the lock's
# version and hash of every package, also of those that another brings in and of what builds ours.
RUN uv pip install --quiet --compile-bytecode --no-sources --constraint requirements.lock \
      --build-constraint requirements.lock ./libs/* ./services/*

FROM build AS build-stand-ins
COPY stack stack
RUN uv pip install --quiet --constraint requirements.lock typer aiosmtpd \
 && uv pip install --quiet --compile-bytecode --no-deps --no-sources \
      --build-constraint requirements.lock ./stack

FROM base AS stand-ins
COPY --from=build-stand-ins /opt/steward /opt/steward
USER 10001:10001

FROM base AS services
COPY --from=build /opt/steward /opt/steward
USER 10001:10001
EXPOSE 8080
