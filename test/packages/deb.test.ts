// The package for Debian, installed by dpkg into a copy of this system that is thrown away.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runProgram } from '../support/process.js'
import { missing } from '../support/programs.js'
import { notHere, product, version } from './products.js'

const SCRIPT = `
set -eu
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" none "$1/root"
mount -t proc none "$1/root/proc"
mount --bind /dev "$1/root/dev"
cp "$2" "$1/root/hyper-nat.deb"
chroot "$1/root" sh -eu -c '
  dpkg -i /hyper-nat.deb >/dev/null
  dpkg --verify hyper-nat
  test "$(command -v hyper-nat)" = /usr/bin/hyper-nat
  hyper-nat --version
  # As a user whose home is not there.
  setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME=/nonexistent PATH="$PATH" hyper-nat keygen
  if command -v mandoc >/dev/null; then mandoc -T utf8 /usr/share/man/man1/hyper-nat.1.gz | head -3; fi
  if command -v systemd-analyze >/dev/null; then systemd-analyze verify /usr/lib/systemd/system/hyper-nat.service; fi
  bash -n /usr/share/bash-completion/completions/hyper-nat
  grep -q "Node.js" /usr/share/doc/hyper-nat/copyright
  dpkg -r hyper-nat >/dev/null
  if test -e /usr/bin/hyper-nat; then exit 9; fi
'
`

const reason =
  notHere ||
  missing('dpkg', 'unshare', 'setpriv') ||
  (process.getuid?.() !== 0 && 'mounting a copy of the system takes root')

test('dpkg installs, verifies and removes it, and it works for a user without a home', {
  skip: reason
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-deb-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const deb = product(`_${version}_amd64.deb`)
  const { code, stdout, stderr } = await runProgram(
    'unshare',
    ['-m', 'sh', '-c', SCRIPT, 'sh', folder, deb],
    {
      ms: 200_000
    }
  )
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, new RegExp(`^${version}$`, 'm'))
  assert.match(stdout, /public key/)
  assert.doesNotMatch(stdout + stderr, /warning|hyper-nat\.service:/i)
})
