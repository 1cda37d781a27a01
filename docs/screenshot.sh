#!/usr/bin/env bash
# Takes docs/images/shop.png, the picture in README.md: the storefront of a local stack with the sample catalogue.
#
# Needs Chromium, and builds the local stack unless LOCAL names its program. CHROMIUM names the browser if it is not
# `chromium`. The picture has to stay under 200 KB.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${LOCAL:-}" ]; then
  cargo build --workspace --locked --bin local
  LOCAL=target/debug/local
fi
folder=$(mktemp -d)
cleanup() {
  kill "${stack:-}" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT

# Free ports, so that the script also works while another stack runs.
"$LOCAL" --port 0 --engine-port 0 --s3-port 0 >"$folder/out" 2>"$folder/err" &
stack=$!
for _ in $(seq 300); do
  if grep -q '^ready ' "$folder/out"; then break; fi
  kill -0 "$stack" || { cat "$folder/err" >&2; exit 1; }
  sleep 0.1
done
shop=$(sed -n 's/^ready \([^ ]*\).*/\1/p' "$folder/out")

# The page loads its products by script, so the browser gets time to run it.
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$folder/browser" \
  --window-size=1280,800 --virtual-time-budget=8000 --screenshot="$folder/shop.png" "$shop" 2>"$folder/browser.log" ||
  { cat "$folder/browser.log" >&2; exit 1; }

bytes=$(wc -c <"$folder/shop.png")
if [ "$bytes" -gt 200000 ]; then
  echo "the picture has $bytes bytes, more than 200000" >&2
  exit 1
fi
mv "$folder/shop.png" docs/images/shop.png
echo "docs/images/shop.png: $bytes bytes"
