# The command `ptb` in a container. Mount a folder at /work for texts and runs.
#
#   docker build --target=cpu -t ptb-lm .
#   docker build --target=gpu -t ptb-lm:gpu .
#   docker run --rm -v "$PWD:/work" ptb-lm train --save_path=run
#   docker run --rm --gpus=all -v "$PWD:/work" ptb-lm:gpu check --device=gpu
#
# The CUDA libraries of the GPU stage come with TensorFlow from the package index. The host needs
# NVIDIA's driver and its container toolkit.
FROM python:3.11-slim AS source
COPY setup.cfg pyproject.toml README.md LICENSE /source/
COPY .ci/build_backend.py /source/.ci/
COPY ptb /source/ptb
COPY models /source/models

FROM python:3.11-slim AS base
# Any user may run it: `docker run --user="$(id -u)"` leaves files that belong to that user.
ENV HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /work
ENTRYPOINT ["ptb"]
CMD ["--help"]

FROM base AS gpu
RUN --mount=type=bind,from=source,source=/source,target=/source,rw \
    python -m pip install --no-cache-dir "/source[gpu,demo]"
USER 1000

FROM base AS cpu
RUN --mount=type=bind,from=source,source=/source,target=/source,rw \
    python -m pip install --no-cache-dir "/source[demo]"
USER 1000
