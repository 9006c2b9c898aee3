# Two ways to one image, both from nothing but a static binary:
#
#   docker build -t watchbell .                    compiles from source in the official Rust image
#   docker build -t watchbell --target prebuilt .  packs dist/watchbell, which `make image` puts there
#
# and a larger one for jobs of the kinds `local` and `compose`, with a shell, docker and Compose beside the binary:
#
#   docker build -t watchbell:full --target full . packs dist/watchbell into Debian, which `make image-full` does
#
# Plain enough for the classic builder, which builds every stage above the target, used or not. Hence the order:
# nothing above `prebuilt` needs a builder image, and `prebuilt` does not mind an empty dist/.

ARG BUILDER=rust:1.95-bookworm
# Of what `full` is made: a Debian, from bookworm on. From trixie on its Compose is the plugin of docker.
ARG BASE=debian:trixie-slim

# What both images have in common.
FROM scratch AS base
# Whoever takes it under this licence needs no text of the other one, which is ten times as long.
COPY LICENSE-MIT /licenses/
VOLUME /var/lib/watchbell
ENTRYPOINT ["/watchbell"]
CMD ["daemon"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/watchbell", "healthcheck"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="watchbell" \
      org.opencontainers.image.description="Cron for containers: labels on containers become jobs on a live schedule" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM base AS prebuilt
COPY dist/ /

FROM ${BASE} AS full
# bookworm has the command in docker.io; later releases in a package of its own.
RUN apt-get -q update \
 && if apt-cache show docker-cli >/dev/null 2>&1; then cli=docker-cli; else cli=docker.io; fi \
 && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends ca-certificates "$cli" docker-compose \
 && rm -rf /var/lib/apt/lists/*
COPY LICENSE-MIT LICENSE-APACHE /licenses/
COPY dist/ /
VOLUME /var/lib/watchbell
ENTRYPOINT ["/watchbell"]
CMD ["daemon"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/watchbell", "healthcheck"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="watchbell" \
      org.opencontainers.image.description="Cron for containers, with a shell, docker and Compose for its local and compose jobs" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
# Naming the target keeps the flag away from build scripts and procedural macros, which cannot be static.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS='-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs' CARGO_TARGET_DIR=/target \
    cargo build --release --locked --bin watchbell --target "$host" \
 && cp "/target/$host/release/watchbell" /watchbell

FROM base
COPY --from=build /watchbell /watchbell
