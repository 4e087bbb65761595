# A static binary on nothing. Two ways:
#
#   docker build -t doorstep:0.1.0 .                           compiles it, for the builder's own architecture
#   docker build -t doorstep:0.1.0 --build-arg BINARY=PATH .   takes a static one built outside; PATH is relative to here
#
# Builders that skip the stages nobody asks for (BuildKit, buildah) need no Rust image for the second way.
ARG BINARY

FROM docker.io/library/rust:1.95-slim-bookworm AS compiled
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY manifests manifests
# An explicit target keeps the flags away from build scripts and procedural macros, which cannot be linked statically.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --bin doorstep --target "$target" \
    && cp "target/$target/release/doorstep" /doorstep

FROM scratch AS compiled-outside
ARG BINARY
COPY ${BINARY} /doorstep

FROM compiled${BINARY:+-outside} AS binary

FROM scratch
COPY --from=binary /doorstep /doorstep
USER 65532:65532
EXPOSE 53/udp 53/tcp 9253/tcp
ENTRYPOINT ["/doorstep"]
