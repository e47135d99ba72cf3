#!/usr/bin/env bash
# Smoke runs of both examples, in temporary folders: npm run check:examples
set -euo pipefail
cd "$(dirname "$0")/.."
smoke=$(mktemp -d)
trap 'rm -rf "$smoke"' EXIT

# the evaluations are in the README, whose commands check:guides runs
echo "PLAN: a smoke run"
npm run --silent plan -- --smoke --json --out "$smoke/plan" > "$smoke/plan.json"
node tools/check-smoke.mjs "$smoke/plan.json" "$smoke/plan"

echo "RegionMed-CLIP: a smoke run, and few-shot on its checkpoint"
npm run --silent regionmed -- --smoke --json --out "$smoke/regionmed" > "$smoke/regionmed.json"
node tools/check-smoke.mjs --regionmed "$smoke/regionmed.json" "$smoke/regionmed"
npm run --silent regionmed -- evaluate --task few-shot --shots 1 --checkpoint "$smoke/regionmed" --json --out "$smoke/few-shot" > "$smoke/few-shot.json"
node -e 'const { summary } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")); if (!summary.every(({ shots }) => Number.isFinite(shots[1].accuracy.mean))) throw new Error("few-shot: no accuracy")' "$smoke/few-shot.json"

# as the tests do: real data where it is, and a loud word where not
data=${MEDALIGN_DATA:-../shared/data}
if [ -d "$data/vqa-rad" ]; then
  echo "VQA-RAD: a smoke run"
  npm run --silent regionmed -- vqa --data "$data/vqa-rad" --smoke --json --out "$smoke/vqa" > "$smoke/vqa.json"
  node tools/check-smoke.mjs --vqa "$smoke/vqa.json" "$smoke/vqa"
else
  echo "NOT RUN on real data: $data/vqa-rad is absent. Set MEDALIGN_DATA to the folder that holds vqa-rad."
fi
