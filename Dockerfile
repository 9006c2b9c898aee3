# Two ways to one image, both from nothing but a static binary:
#
#   docker build -t watchbell .                    compiles from source in the official Rust image
#   docker build -t watchbell --target prebuilt .  packs dist/watchbell, which `make image` puts there
#
# Plain enough for the classic builder, which builds every stage above the target, used or not. Hence the order:
# nothing above `prebuilt` needs a builder image, and `prebuilt` does not mind an empty dist/.

ARG BUILDER=rust:1.95-bookworm

# What both images have in common.
FROM scratch AS base
COPY LICENSE-MIT LICENSE-APACHE /licenses/
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

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
# Naming the target keeps the flag away from build scripts and procedural macros, which cannot be static.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=/target \
    cargo build --release --locked --bin watchbell --target "$host" \
 && cp "/target/$host/release/watchbell" /watchbell

FROM base
COPY --from=build /watchbell /watchbell
