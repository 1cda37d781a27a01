#!/usr/bin/env bash
# Takes pictures of all mails, in every language, light and dark, 320 and 640 px wide, into target/mails.
#
# Needs Chromium, and builds the example that writes the mails unless MAILS names its program. CHROMIUM names the browser
# if it is not `chromium`. Look at the pictures after a change of functions/notifications/templates or languages.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${MAILS:-}" ]; then
  cargo build --workspace --locked --example mails
  MAILS=target/debug/examples/mails
fi
rm -rf target/mails
"$MAILS" target/mails
browser=$(mktemp -d)
trap 'rm -rf "$browser"' EXIT

cd target/mails
for mail in *.html; do
  name=${mail%.html}
  # Frames, because no window of the browser is as narrow as a telephone.
  cat >"$browser/$name.html" <<HTML
<!doctype html><meta name="color-scheme" content="light dark">
<body style="margin:0;display:flex;gap:16px;background:#888">
<iframe src="file://$PWD/$mail" style="width:320px;height:1400px;border:0"></iframe>
<iframe src="file://$PWD/$mail" style="width:640px;height:1400px;border:0"></iframe>
HTML
  for scheme in light dark; do
    # 0 is dark, 1 is light.
    preferred=$([ $scheme = dark ] && echo 0 || echo 1)
    "${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files \
      --user-data-dir="$browser/profile" --blink-settings=preferredColorScheme=$preferred \
      --window-size=976,1400 --screenshot="$name.$scheme.png" "file://$browser/$name.html" 2>"$browser/log" ||
      { cat "$browser/log" >&2; exit 1; }
  done
done
echo "target/mails: $(ls ./*.png | wc -l) pictures"
