# hyper-nat as a container: docker build -t hyper-nat . (config/docker/compose.yaml shows how to run it).

# By digest, a build is the same tomorrow: --build-arg NODE_IMAGE=node:22-bookworm-slim@sha256:..
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# Before the sources, so that a change of those installs nothing anew; `prepare` would build what is not there yet.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY config config
COPY scripts scripts
COPY src src
COPY test test
RUN node scripts/run.mjs build \
  && npm prune --omit=dev --ignore-scripts \
  # Native modules of systems and processors that this image is not for.
  && find node_modules -type d -path '*/prebuilds/*' ! -name 'linux-*' -prune -exec rm -r {} +

FROM ${NODE_IMAGE}
ENV NODE_ENV=production HYPER_NAT_CONTROL=/run/hyper-nat
WORKDIR /app
COPY LICENSE /app/
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/config config
COPY --from=build /app/dist/bin dist/bin
# The page.
COPY --from=build /app/dist/src dist/src
# What the daemon writes: an identity, a log, when guests were seen last. Beside it, where its control socket is.
RUN mkdir -p /data /run/hyper-nat && chown node:node /data /run/hyper-nat && chmod 700 /data /run/hyper-nat \
  && ln -s /app/dist/bin/main.js /usr/local/bin/hyper-nat
USER node
WORKDIR /data
VOLUME /data
# It answers through the control socket; the network is its own matter, since it waits for one that is away.
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s CMD ["hyper-nat", "status", "--quiet"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["hyper-nat"]
CMD ["-c", "/data/options.json"]
