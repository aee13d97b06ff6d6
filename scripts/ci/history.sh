#!/usr/bin/env bash
# What was accepted when, of every baseline of the project: into the summary of the step, or to standard output.
set -euo pipefail

told=${GITHUB_STEP_SUMMARY:-/dev/stdout}
printf '## What was accepted when\n' >> "$told"
find baselines -mindepth 2 -name '*.json' | sort | while read -r file; do
  suite=$(dirname "${file#baselines/}") label=$(basename "$file" .json)
  { printf '\n### %s, %s\n\n```text\n' "$suite" "$label"; harness history "$suite" --label "$label"; printf '```\n'; } \
    >> "$told"
done
