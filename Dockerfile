# One image for each service: `docker build --target batch-router .`. All are built
# from one stage; what runs is a static binary, the CA bundle, and nothing else: no
# shell, no package manager, nobody's root.

ARG GO_VERSION=1.26

FROM golang:${GO_VERSION}-alpine AS build
WORKDIR /src
# The modules are a layer of their own: a change of the source fetches none.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags='-s -w' -o /out/ ./cmd/...
# Folders that the services write to, for those who mount nothing over them.
RUN mkdir -p /root-fs/run/sluice /root-fs/data && chmod 0700 /root-fs/run/sluice /root-fs/data

# What all services have in common.
FROM scratch AS main
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /root-fs/ /
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532

FROM main AS batch-router
COPY --from=build /out/batch-router /out/sluice /
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/batch-router", "-healthcheck"]
ENTRYPOINT ["/batch-router"]

FROM main AS api
COPY --from=build /out/api /
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/api", "-healthcheck"]
ENTRYPOINT ["/api"]

FROM main AS clock
COPY --from=build /out/clock /
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/clock", "-healthcheck"]
ENTRYPOINT ["/clock"]

FROM main AS device
COPY --from=build /out/device /
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/device", "-healthcheck"]
ENTRYPOINT ["/device"]

# Mosquitto, as Debian builds it: memory_limit, by which a broker that is full refuses
# messages instead of losing them, works with glibc only, so not in an image on Alpine.
FROM debian:12-slim AS broker
RUN getent group mosquitto >/dev/null || groupadd --gid 1883 mosquitto; \
	id mosquitto >/dev/null 2>&1 || useradd --uid 1883 --gid 1883 --no-create-home --shell /usr/sbin/nologin mosquitto
RUN apt-get update && apt-get install --yes --no-install-recommends mosquitto mosquitto-clients && \
	rm -rf /var/lib/apt/lists/* && mkdir -p /mosquitto/data /mosquitto/config/common && chown 1883:1883 /mosquitto/data
USER 1883:1883
VOLUME /mosquitto/data
HEALTHCHECK --interval=5s --timeout=7s --start-period=5m --retries=6 CMD ["sh", "-c", "XDG_CONFIG_HOME=/run/secrets mosquitto_sub -W 5"]
ENTRYPOINT ["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]

# The operator's command; the last stage, so what a build without --target makes.
FROM main AS sluice
COPY --from=build /out/sluice /
WORKDIR /data
ENTRYPOINT ["/sluice"]
