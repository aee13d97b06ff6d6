#!/bin/sh
# List the packages of an image's environment (CycloneDX), while the image is built: Dockerfile. The tool is installed for
# this and removed again, in one layer: a mount from another stage fails in Buildah where that stage came from the cache.
set -eu
python /tmp/lock/lock_of.py --folder /tmp/lock --alone sbom > /tmp/lock/bill.lock
python3 -m venv /opt/bill
"$UV" pip sync --quiet --python /opt/bill/bin/python --require-hashes /tmp/lock/bill.lock
/opt/bill/bin/cyclonedx-py environment --output-reproducible --output-file "$SBOM" "$VIRTUAL_ENV"
rm -rf /opt/bill
