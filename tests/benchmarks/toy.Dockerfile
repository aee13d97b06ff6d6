# An image with the core of the harness and the toy stages of the tests, for tests/benchmarks/test_executors.py. With
# core.lock and a wheel in the folder CONTEXT (scripts/lock_of.py > CONTEXT/core.lock; pip wheel --no-deps -w CONTEXT .):
#
#   cp -r tests/toy_package CONTEXT/ && podman build --file tests/benchmarks/toy.Dockerfile --tag localhost/harness-toy CONTEXT
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv ca-certificates
COPY . /context
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --quiet --require-hashes --requirement /context/core.lock \
    && /opt/venv/bin/pip install --quiet --no-deps /context/*.whl
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/context/toy_package
