#!/usr/bin/env bash
# The native engine, built from this checkout alone and tested for real: npm run check:native
set -euo pipefail
cd "$(dirname "$0")/.."
native=$(mktemp -d)
trap 'rm -rf "$native"' EXIT
export XDG_CACHE_HOME="$native"

if ! npm run --silent engine; then
  [ -z "${MEDALIGN_NATIVE_REQUIRED:-}" ] || exit 1
  echo "NOT RUN: the native engine could not be built here, see above. CI builds it and runs its tests."
  exit 0
fi
MEDALIGN_ENGINES=torch npx nx run-many -t test -p @medalign/backend-torch @medalign/similarity @medalign/losses @medalign/progressive @medalign/roi-processor @medalign/ops @medalign/encoders @medalign/trainer @medalign/backend
# what other devices than the CPU run, on the CPU
for package in similarity losses ops; do
  (cd "packages/$package" && MEDALIGN_RUN=composed MEDALIGN_TORCH_LOOPS=0 MEDALIGN_ENGINES=torch npx vitest run goldens chunks adam-step global-norm batch-norm attention dropout l2-normalize)
done
npm run --silent conformance -- --backend torch
npm run --silent plan -- --backend torch --smoke --json --out "$native/run" > "$native/result.json"
node tools/check-smoke.mjs "$native/result.json" "$native/run" torch
npm run --silent regionmed -- --backend torch --smoke --json --out "$native/regionmed" > "$native/regionmed.json"
node tools/check-smoke.mjs --regionmed "$native/regionmed.json" "$native/regionmed" torch
