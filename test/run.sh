#!/usr/bin/env bash
# What `npm test` runs: compiles, runs every compiled test under tap with coverage, checks the coverage thresholds and
# that no network namespace is left behind. Works as root (everything runs) and unprivileged (what needs AF_XDP is
# skipped and says so). Arguments are handed to tap: `npm test -- build/test/wire/*.test.js` runs a part.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=node_modules/.bin

if [ ! -x "$bin/tap" ] || [ ! -x "$bin/tsc" ]; then
  echo 'The development packages are not installed: run `npm ci` first.' >&2
  exit 1
fi

# Tests always run on what the sources say now, and never on the output of a file that is gone.
npm run --silent build
node test/stale-outputs.mjs

# tap is built once without its TypeScript plugin, which cannot work with TypeScript 7 (see docs/testing.md).
if grep -q '@tapjs/typescript' node_modules/@tapjs/test/test-built/dist/esm/index.js 2>/dev/null; then
  output=$("$bin/tap" build 2>&1) || { echo "$output" >&2; exit 1; }
fi

# Can this user make a network namespace and an AF_XDP socket? Tests decide for themselves; this is the line that tells.
namespaces() { ip netns list 2>/dev/null | awk '/^mtcp/ { print $1 }' | sort; }
privileged=no
reason=
if ! command -v ip >/dev/null; then
  reason='the program `ip` (package iproute2) is missing'
elif [ "$(id -u)" != 0 ]; then
  reason="this is user $(id -un 2>/dev/null || id -u), not root"
elif ! probe=$(ip netns add "mtcp-tprobe-$$" 2>&1); then
  reason="a network namespace cannot be made: $probe"
else
  ip netns del "mtcp-tprobe-$$"
  privileged=yes
fi
if [ "$privileged" = yes ]; then
  echo "AF_XDP tests: run (root on Linux $(uname -r), Node $(node --version))"
else
  echo "AF_XDP tests: skipped, because $reason"
fi

before=$(namespaces)
rm -rf .tap/coverage .tap/report .tap/closing-line
status=0
# The limit is for a run that hangs, for example on a child that a killed test has left behind: `timeout` ends them all, and
# the report still tells what it has seen.
limit=${MTCP_TEST_LIMIT_S:-1500}
timeout --kill-after=10 "$limit" bash -c '
  set -o pipefail
  node_modules/.bin/tap --reporter=tap --coverage-report=json-summary "$@" </dev/null 2>&1 | node test/report.mjs
' tap "$@" || status=1

# Coverage is judged only when everything ran.
if [ "$status" = 0 ] && [ $# = 0 ]; then
  node test/coverage-threshold.mjs "$privileged" || status=1
fi

# Names hold the process id of the test that made them: one that still runs belongs to somebody else's run.
for name in $(comm -13 <(echo "$before") <(namespaces)); do
  pid=$(grep -oE '[0-9]+' <<<"$name" | tail -1)
  if [ -z "$pid" ] || [ ! -d "/proc/$pid" ]; then
    echo "A test has left the network namespace $name behind" >&2
    status=1
  fi
done

[ "$status" = 0 ] || echo 'FAILED' >&2
# The closing line comes last, so that whoever reads only the end of the log sees the numbers.
cat .tap/closing-line 2>/dev/null || echo '0 passed, 1 failed, 0 skipped'
exit "$status"
