# Works on Ubuntu 24.04 (Python 3.12) and Debian 12 (3.11). PyTorch's wheels bring CUDA's libraries with them, so
# the base gives only an operating system, here NVIDIA's, pinned by digest.
ARG BASE_IMAGE=nvcr.io/nvidia/cuda:13.2.0-base-ubuntu24.04@sha256:36cccda4bebc3b0b1ebe1907ead8169cf144d45df890be871b36b304cf91145a
FROM ${BASE_IMAGE}

# git: the commit of a mounted project is part of a run's record. libexpat1: rasterio's wheel links it.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates git libexpat1 python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /project

ENV VIRTUAL_ENV=/opt/venv \
    PATH=/opt/venv/bin:$PATH

# The same lock as everywhere, test tools included: the tests run in the very image that is shipped, and the tools
# are under 2 % of it. Compiled here because the user below may not write to the environment.
# The two certificate arguments are for a network with an authority of its own; no certificate stays in the image.
ARG PIP_CERT
ARG SSL_CERT_FILE
COPY requirements.setup requirements.lock /tmp/requirements/
RUN python3 -m venv $VIRTUAL_ENV \
    && python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        --target $VIRTUAL_ENV/setup --requirement /tmp/requirements/requirements.setup \
    && $VIRTUAL_ENV/setup/bin/uv pip sync --no-cache --compile-bytecode --require-hashes \
        /tmp/requirements/requirements.lock

# 1000 is the first person's id on most machines, so a mounted project can be written. Ubuntu gives it to a user
# of its own.
ARG HARNESS_UID=1000
RUN taken=$(getent passwd "$HARNESS_UID" | cut -d: -f1) \
    && if [ -n "$taken" ]; then userdel --remove "$taken"; fi \
    && useradd --create-home --uid "$HARNESS_UID" harness \
    && install -d -o harness -g harness /project /store /cache/huggingface /mirror
ENV HARNESS_STORE=/store \
    HF_HOME=/cache/huggingface

WORKDIR /project
COPY --chown=harness . .
RUN $VIRTUAL_ENV/setup/bin/uv pip install --no-cache --compile-bytecode --no-deps --no-build-isolation . \
    && rm -rf build ./*.egg-info

USER harness
VOLUME ["/store", "/cache/huggingface"]
ENTRYPOINT ["harness"]
CMD ["--help"]
