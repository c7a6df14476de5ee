# One static binary in an empty image. Everything that Dockit writes is in /data. The target kubernetes is the image of
# dockit-kubernetes, which writes nothing, with the kubelet's plugin beside it for install-credential-provider.
#
# Images are pinned by digest, here and in examples/: make pin-images renews them.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:0f063af2d465d8dcae54cce04278ada488b96f77b42449c8d071e47d016cc65a AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .

FROM source AS build-kubernetes
ARG TARGETOS TARGETARCH VERSION COMMIT
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
RUN flags="-s -w -X github.com/dockit-registry/dockit/internal/version.Version=$VERSION -X github.com/dockit-registry/dockit/internal/version.Commit=$COMMIT" \
	&& go build -trimpath -tags nethttpomithttp2 -ldflags "$flags" -o /out/ ./cmd/dockit-credential-provider \
	&& go build -C kubernetes -trimpath -ldflags "$flags" -o /out/ ./cmd/dockit-kubernetes

FROM scratch AS kubernetes
ARG VERSION COMMIT CREATED
LABEL org.opencontainers.image.title="dockit-kubernetes" \
	org.opencontainers.image.description="Pulls from registries behind Dockit with no secret in the cluster" \
	org.opencontainers.image.source="https://github.com/dockit-registry/dockit" \
	org.opencontainers.image.documentation="https://github.com/dockit-registry/dockit/tree/main/docs/guides/kubernetes.md" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$COMMIT" \
	org.opencontainers.image.created="$CREATED"
# For Dockit behind TLS.
COPY --from=build-kubernetes /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build-kubernetes /out/ /usr/bin/
ENV PATH=/usr/bin
USER 65532:65532
# Of pull-secrets: metrics, /healthz, /readyz.
EXPOSE 8080
ENTRYPOINT ["dockit-kubernetes"]
CMD ["--help"]

FROM source AS build
ARG TARGETOS TARGETARCH
# What `dockit version` says; git is not in the context.
ARG VERSION COMMIT
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
	go build -trimpath -tags nobadger,nomysql,nopgx -o /out/dockit \
	-ldflags "-s -w -X github.com/dockit-registry/dockit/internal/version.Version=$VERSION -X github.com/dockit-registry/dockit/internal/version.Commit=$COMMIT" \
	./cmd/dockit \
	&& mkdir /out/data

FROM scratch
ARG VERSION COMMIT CREATED
LABEL org.opencontainers.image.title="Dockit" \
	org.opencontainers.image.description="Authentication for Docker and OCI registries" \
	org.opencontainers.image.source="https://github.com/dockit-registry/dockit" \
	org.opencontainers.image.documentation="https://github.com/dockit-registry/dockit/tree/main/docs" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$COMMIT" \
	org.opencontainers.image.created="$CREATED"
# For --domain, and for databases and upstreams behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/dockit /usr/bin/dockit
COPY --from=build --chown=65532:65532 /out/data /data
ENV PATH=/usr/bin HOME=/data XDG_CONFIG_HOME=/data/config XDG_DATA_HOME=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 4315
# Asks DOCKIT_BASE_URL, by default where api-server listens by default. The first start makes a database and keys.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s CMD ["dockit", "health"]
ENTRYPOINT ["dockit"]
CMD ["api-server"]
