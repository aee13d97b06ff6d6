#!/usr/bin/env bash
# Build the images of the components, push them, and pin them in images.lock: images.sh DIR
#
# DIR         where the bill of materials of each goes (CycloneDX)
# COMPONENTS  targets of the Dockerfile, separated by spaces
# REGISTRY    where the images go: HOST/OWNER/NAME; each component is a name below it
# BUILD_OPTIONS  more options of `docker build`, separated by spaces
set -euo pipefail

commit=$(git rev-parse HEAD)
pushed_to=$(tr '[:upper:]' '[:lower:]' <<< "${REGISTRY:?}") # it takes no capitals
mkdir -p "$1"
names=()
for component in $COMPONENTS; do
  image=$pushed_to/$component:$commit
  # shellcheck disable=SC2086  # the options are split at spaces on purpose
  docker build ${BUILD_OPTIONS:-} --target "$component" --tag "$image" .
  docker run --rm --entrypoint cat "$image" /opt/venv/sbom.cdx.json > "$1/$component.cdx.json"
  docker push "$image"
  names+=("$component=$image")
done
harness image lock "${names[@]}"
