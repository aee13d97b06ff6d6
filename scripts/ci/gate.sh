#!/usr/bin/env bash
# The gate of action.yml: its inputs come as variables, and become the arguments of `harness ci gate`.
set -euo pipefail

out=${RUNNER_TEMP:?}/harness-gate-${GITHUB_RUN_ATTEMPT:-1}-$RANDOM$RANDOM
mkdir -p "$out"
echo "runs=$out" >> "$GITHUB_OUTPUT"

# A merge base needs history, of which a usual checkout has one commit.
if [ -n "${BASELINE_REF:-}${GITHUB_BASE_REF:-}" ] && [ "$(git rev-parse --is-shallow-repository)" = true ]; then
  git fetch --quiet --no-tags --unshallow origin '+refs/heads/*:refs/remotes/origin/*' ||
    echo "the history cannot be fetched; give actions/checkout 'fetch-depth: 0'" >&2
fi

engine=$(command -v docker || command -v podman || true)
while read -r image; do
  [ -n "$image" ] || continue
  "${engine:?neither docker nor podman is installed}" pull --quiet "${image#*=}"
  harness image lock "$image"
done <<< "${IMAGE:-}"

gate=(--out "$out" "--fail-on=$FAIL_ON")
[ -z "${EXECUTOR:-}" ] || gate+=("--executor=$EXECUTOR")
[ "${EXECUTOR:-}" != container ] || gate+=(--pull)
[ -z "${JOBS:-}" ] || gate+=("--jobs=$JOBS")
[ -z "${LABEL:-}" ] || gate+=("--label=$LABEL")
[ -z "${STORE:-}" ] || gate+=("--shared-store=$STORE")
[ -z "${BASELINE_REF:-}" ] || gate+=("--baseline-ref=$BASELINE_REF")
harness ci gate "${gate[@]}" -- "$SUITE"
