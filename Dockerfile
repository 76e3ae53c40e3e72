# One file for all images of docker-compose.yml: `app`, `ivr`, `asterisk` and `front` are its targets. What is installed is
# said in ops/setup.sh, which the tests and `make up` use as well.
# All bases are named here. To pin one to its digest: --build-arg BASE=docker.io/library/debian@sha256:…
ARG BASE=docker.io/library/debian:12.11-slim
ARG CADDY=docker.io/library/caddy:2.10.0-alpine

FROM ${BASE} AS base
WORKDIR /app
COPY ops/setup.sh ops/
RUN ops/setup.sh packages python && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
# 10001 is in no list of a distribution. All that changes is below /data, on volumes that take their owner from here.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin freeline \
 && for folder in /data /data/run /data/spool /data/asterisk /data/sounds /data/prompts /data/vault /data/keys /data/audit \
      /data/speech-models /hand-out /hand-out/line /hand-out/sealing; \
    do install -d -m 700 -o freeline -g freeline "$folder"; done
ENV PATH=/app/.venv/bin:$PATH FREELINE_DATA=/data FREELINE_CACHE=/data/speech-models/.cache

# The locked packages.
FROM base AS built
RUN ops/setup.sh packages venv
COPY requirements.txt requirements-dev.txt ./
# What places belong to which number is never asked, and is the largest part of all. pip stays: some speech models come by it.
RUN ops/setup.sh python && rm -rf .venv/lib/python3*/site-packages/phonenumbers/geodata

# Our own code, readable for all, and compiled because the containers' file systems are read-only.
FROM built AS source
COPY . /source
RUN chmod -R a+rX,go-w /source && .venv/bin/python -m compileall -q -s /source -p /app /source

# Debian testing's Asterisk, fetched as `make up` fetches it: into a folder of its own, run through its own loader. Only what
# the fetching needs is copied, so that a change elsewhere does not fetch it again.
FROM built AS fetched
COPY hotline/__init__.py hotline/errors.py hotline/numbers.py hotline/settings.py hotline/
COPY telephony/__init__.py telephony/
COPY telephony/asterisk/__init__.py telephony/asterisk/obtain.py telephony/asterisk/
RUN FREELINE_CACHE=/opt/freeline ops/setup.sh asterisk

# switchboard, transcriber, jobs, console and redis, whose program is in the locked packages
FROM base AS app
COPY --from=built /app/.venv /app/.venv
COPY --from=source /source /app
USER 10001:10001
CMD ["freeline", "--help"]

# pg_dump and pg_restore, without the Perl that Debian starts them by
FROM base AS dumps
RUN ops/setup.sh packages dumps

# ivr, and the step that prepares: both build prompts. Backups are made in the second.
FROM base AS ivr
RUN ops/setup.sh packages voice libpq && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=dumps /usr/lib/postgresql /usr/lib/postgresql
COPY --from=built /app/.venv /app/.venv
COPY --from=source /source /app
USER 10001:10001
CMD ["freeline", "--help"]

FROM base AS asterisk
COPY --from=fetched /opt/freeline /opt/freeline
COPY --from=built /app/.venv /app/.venv
COPY --from=source /source /app
ENV FREELINE_CACHE=/opt/freeline
USER 10001:10001
CMD ["freeline", "--help"]

FROM ${CADDY} AS front
RUN mkdir -p /data/caddy /config/caddy && chown -R 10001:10001 /data /config
COPY ops/Caddyfile /etc/caddy/Caddyfile
USER 10001:10001
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]
