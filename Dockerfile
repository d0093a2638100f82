# Builds Sluice, and puts it on a slim Debian as a user without rights.
#
#   docker build --tag sluice .
#   docker run --publish 4318:4318 --volume sluice-data:/var/lib/sluice sluice
#
# BINARY=prebuilt takes the file `sluice` from the context's root instead of compiling it.
ARG SWIFT_IMAGE=swift:6.3-bookworm
ARG BASE_IMAGE=debian:12-slim
ARG BINARY

FROM ${SWIFT_IMAGE} AS build
WORKDIR /src
COPY Makefile ./
COPY scripts scripts
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends make \
    && scripts/install-dependencies build
COPY Package.swift ./
COPY Sources Sources
# SwiftPM wants the folders of all targets to be there, also of those that it doesn't build.
COPY Tests Tests
RUN make build && install -s .build/release/sluice /sluice

FROM scratch AS prebuilt
COPY sluice /sluice

# The default stands here because Debian 12's buildah finds no stage by the default of an ARG.
FROM ${BINARY:-build} AS binary

FROM ${BASE_IMAGE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        libdeflate0 liblz4-1 libpcre2-8-0 libpq5 libsnappy1v5 libsqlite3-0 libyaml-0-2 \
        libzstd1 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --system --uid 10001 --home-dir /var/lib/sluice --shell /usr/sbin/nologin sluice \
    && install -d -o sluice -g sluice -m 0700 /var/lib/sluice
COPY --from=binary /sluice /usr/local/bin/sluice
COPY deploy/sluice.yaml /etc/sluice/sluice.yaml
USER sluice
WORKDIR /var/lib/sluice
# The database and the log: what was acknowledged outlives the container with this volume alone.
VOLUME /var/lib/sluice
EXPOSE 4318 8888
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["sluice", "health"]
# SIGTERM ends it; give it longer than service.limits.shutdown_timeout (docker stop --time 30).
STOPSIGNAL SIGTERM
ENTRYPOINT ["sluice"]
CMD ["run", "--config", "/etc/sluice/sluice.yaml"]
