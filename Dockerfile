# Targets: `all` (the default) has every package and the test tools; `land-cover`, `text-to-image`, `language-model` and
# `prompts` have what the stages of one component need. They share the layer with PyTorch.
#
# Works on Ubuntu 24.04 (Python 3.12) and Debian 12 (3.11). PyTorch's wheels bring CUDA's libraries with them, so
# the base gives only an operating system, here NVIDIA's, pinned by digest.
ARG BASE_IMAGE=nvcr.io/nvidia/cuda:13.2.0-base-ubuntu24.04@sha256:36cccda4bebc3b0b1ebe1907ead8169cf144d45df890be871b36b304cf91145a
FROM ${BASE_IMAGE} AS base

# git: the commit of a mounted project is part of a run's record. libexpat1: rasterio's wheel links it.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates git libexpat1 python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /project

# 1000 is the first person's id on most machines, so a mounted project can be written. Ubuntu gives it to a user
# of its own.
ARG HARNESS_UID=1000
RUN taken=$(getent passwd "$HARNESS_UID" | cut -d: -f1) \
    && if [ -n "$taken" ]; then userdel --remove "$taken"; fi \
    && useradd --create-home --uid "$HARNESS_UID" harness \
    && install -d -o harness -g harness /project /store /cache/huggingface /mirror

ENV VIRTUAL_ENV=/opt/venv \
    PATH=/opt/venv/bin:$PATH \
    UV=/opt/venv/setup/bin/uv \
    SBOM=/opt/venv/sbom.cdx.json \
    UV_NO_CACHE=1 \
    UV_COMPILE_BYTECODE=1 \
    HARNESS_STORE=/store \
    HF_HOME=/cache/huggingface
WORKDIR /project
VOLUME ["/store", "/cache/huggingface"]
ENTRYPOINT ["harness"]
CMD ["--help"]

# What all components need, PyTorch above all, from the lock. Compiled here because the user below may not write to the
# environment. The two certificate arguments are for a network with an authority of its own; no certificate stays in
# the image.
FROM base AS shared
ARG PIP_CERT
ARG SSL_CERT_FILE
COPY pyproject.toml requirements.setup requirements.lock scripts/lock_of.py scripts/bill_of_materials.sh /tmp/lock/
RUN python3 -m venv $VIRTUAL_ENV \
    && python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        --target $VIRTUAL_ENV/setup --requirement /tmp/lock/requirements.setup \
    && python /tmp/lock/lock_of.py --folder /tmp/lock --common land-cover text-to-image language-model prompts \
        > /tmp/lock/shared.lock \
    && $UV pip sync --require-hashes /tmp/lock/shared.lock

# The harness itself, without the tests. A changed source file installs no package again.
FROM shared AS wheel
COPY . /source
RUN cd /source && python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheel .

FROM shared AS land-cover
ARG SSL_CERT_FILE
RUN python /tmp/lock/lock_of.py --folder /tmp/lock land-cover > /tmp/lock/part.lock \
    && $UV pip sync --require-hashes /tmp/lock/part.lock
COPY --from=wheel /wheel /tmp/wheel
RUN $UV pip install --no-deps /tmp/wheel/*.whl && /tmp/lock/bill_of_materials.sh
USER harness

FROM shared AS text-to-image
ARG SSL_CERT_FILE
RUN python /tmp/lock/lock_of.py --folder /tmp/lock text-to-image > /tmp/lock/part.lock \
    && $UV pip sync --require-hashes /tmp/lock/part.lock
COPY --from=wheel /wheel /tmp/wheel
RUN $UV pip install --no-deps /tmp/wheel/*.whl && /tmp/lock/bill_of_materials.sh
USER harness

FROM shared AS language-model
ARG SSL_CERT_FILE
RUN python /tmp/lock/lock_of.py --folder /tmp/lock language-model > /tmp/lock/part.lock \
    && $UV pip sync --require-hashes /tmp/lock/part.lock
COPY --from=wheel /wheel /tmp/wheel
RUN $UV pip install --no-deps /tmp/wheel/*.whl && /tmp/lock/bill_of_materials.sh
USER harness

FROM shared AS prompts
ARG SSL_CERT_FILE
RUN python /tmp/lock/lock_of.py --folder /tmp/lock prompts > /tmp/lock/part.lock \
    && $UV pip sync --require-hashes /tmp/lock/part.lock
COPY --from=wheel /wheel /tmp/wheel
RUN $UV pip install --no-deps /tmp/wheel/*.whl && /tmp/lock/bill_of_materials.sh
USER harness

# All components, test tools included: the tests run in the very image that is shipped, and the tools are under 2 % of it.
FROM shared AS all
ARG SSL_CERT_FILE
RUN python /tmp/lock/lock_of.py --folder /tmp/lock all dev fidelity trackers > /tmp/lock/part.lock \
    && $UV pip sync --require-hashes /tmp/lock/part.lock
COPY --chown=harness . .
RUN $UV pip install --no-deps --no-build-isolation . \
    && rm -rf build ./*.egg-info \
    && /tmp/lock/bill_of_materials.sh
USER harness
