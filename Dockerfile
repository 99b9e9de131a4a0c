# The broker's image: Node, the compiled broker and its dependencies; no package manager, no compiler, no test.
# Build: docker build -t connect-broker . (Docker with BuildKit, or podman; buildah needs --format docker, because the
# OCI format has no health check.) `npm run container` builds it, runs it and tries what it promises.
FROM node:24-bookworm-slim AS base
WORKDIR /app

FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
# What nobody reads at run time goes, also lmdb for other Nodes and another libc; licences stay.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts \
 && rm package-lock.json .npmrc \
 && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \
      -o -name '*.[ch]' -o -name '*.cpp' -o -name '*.musl.node' -o -name 'node.abi*.node' \) \
      ! -iname '*licen[sc]e*' -delete \
 && find node_modules -type d -empty -delete

FROM base AS build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
# .dockerignore lets in what the broker is made of and nothing else.
COPY . .
RUN node_modules/.bin/tsc -p . --sourceMap false --incremental false && node scripts/build-console.mjs

FROM base AS slim
RUN rm -rf /app /usr/local/include /usr/local/lib/node_modules /opt/yarn* /root/.npm* /tmp/* \
      /var/lib/apt/lists/* /var/cache/apt/* /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* /usr/local/bin/docker-entrypoint.sh

# A layer cannot make the ones below it smaller, so what is left goes into a new one.
FROM scratch
COPY --from=slim / /
RUN mkdir -m 700 /data && chown 1000:1000 /data
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_ENV=production DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app ./
COPY --from=build /app/dist ./dist
# By number, so that an orchestrator sees that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 1883 8883 8080 8443 9090
# Exit code 0 also while Redis is away: an SOS is taken then, and a restart would not bring Redis back.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["node", "dist/broker/healthcheck.js"]
# node itself is the first process and hears the signals; it starts no others, so there is nothing to reap.
CMD ["node", "dist/broker/main.js"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="connect-broker" \
      org.opencontainers.image.description="Self-hosted MQTT broker for the EIXAM Connect SDK: an SOS is stored before it is acknowledged" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
