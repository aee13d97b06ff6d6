#!/usr/bin/env bash
# Propose a changed images.lock by a pull request, on a branch that later runs replace. GH_TOKEN may open one.
set -euo pipefail

git add images.lock
if git diff --cached --quiet; then
  echo "images.lock: unchanged"
  exit 0
fi
branch=harness/images-lock
base=$(git rev-parse --abbrev-ref HEAD)
git switch --quiet --force-create "$branch"
git -c user.name='github-actions[bot]' -c user.email='github-actions[bot]@users.noreply.github.com' \
  commit --quiet --message "images.lock: the images of $(git rev-parse --short HEAD)"
git push --quiet --force origin "$branch"
if [ -z "$(gh pr list --head "$branch" --state open --json number --jq '.[].number')" ]; then
  gh pr create --head "$branch" --base "$base" --title "images.lock: new images" \
    --body "Built, listed and pushed by the workflow image. Merging it makes suites use them."
fi
