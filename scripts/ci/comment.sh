#!/usr/bin/env bash
# The comment of comment/action.yml: comment.sh DIR, where the artifact of the gate was unpacked.
#
# Nothing of the artifact gets into a command: the harness reads it, and takes the pull request from the event.
set -euo pipefail

mkdir -p "$1"
comment=(--post "--name=$NAME" "--author=$AUTHOR")
[ -z "${PICTURES:-}" ] || comment+=("--pictures=$PICTURES")
harness ci comment "${comment[@]}" -- "$1"
