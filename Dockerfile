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

# The operator's command; the last stage, so what a build without --target makes.
FROM main AS sluice
COPY --from=build /out/sluice /
WORKDIR /data
ENTRYPOINT ["/sluice"]
