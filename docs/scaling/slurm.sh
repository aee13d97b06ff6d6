#!/usr/bin/env bash
# A Slurm array: each job runs one part of the suite's scores into a store on a shared file system.
#
#   export HARNESS_STORE=/shared/store
#   array=$(sbatch --parsable --array=1-8 --gpus=1 docs/scaling/slurm.sh suites/paper/text-to-image.yaml)
#   sbatch --dependency=afterany:$array --wrap "harness run suites/paper/text-to-image.yaml"
#SBATCH --job-name=harness
#SBATCH --output=harness-%A-%a.log
set -euo pipefail

: "${HARNESS_STORE:?a folder that all nodes share}"
harness run "$1" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "${@:2}"
