// The service for real, as far as a machine without systemd in charge lets it: its units judged by systemd, its words on a socket.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ServiceParts, type Step, stepsText } from '../../src/service/plan.js'
import { systemdPlan } from '../../src/service/systemd.js'
import { until } from '../support/deadline.js'
import { mainFile, writeOptions } from '../support/hyper-nat.js'
import { type Ending, Process, runProgram } from '../support/process.js'
import { missing, programPath } from '../support/programs.js'
import { newSecret, staged } from '../support/stage.js'

const linuxOnly = process.platform === 'linux' ? false : 'systemd is of Linux'

/** A folder with everything that makes trouble in a unit. */
function oddFolder(t: { after(fn: () => void): void }): string {
  const base = mkdtempSync(join(tmpdir(), 'hyper-nat-service-'))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const folder = join(base, 'a b%n $HOME "c"')
  mkdirSync(folder)
  return folder
}

function partsIn(folder: string, more: Partial<ServiceParts>): ServiceParts {
  // systemd starts no program with quotes in its path, whatever is done about them.
  const node = join(folder, '..', 'a b%n $HOME node')
  if (!existsSync(node)) symlinkSync(process.execPath, node)
  return {
    scope: 'system',
    program: [node, mainFile],
    options: join(folder, 'options.json'),
    owner: 'daemon',
    home: folder,
    config: folder,
    uid: 1000,
    account: 'x',
    lowPorts: true,
    ...more
  }
}

const UNITS: [string, Partial<ServiceParts>][] = [
  ['for a user', { scope: 'user' }],
  ['as the owner of the options', { logFile: '/var/log/x.log' }],
  ['as a user of its own', { owner: null, identity: '/x', logFile: '/y' }]
]

for (const [what, more] of UNITS) {
  test(`systemd finds no fault with the unit ${what}`, {
    skip: linuxOnly || missing('systemd-analyze')
  }, async t => {
    const folder = oddFolder(t)
    const unit = systemdPlan(partsIn(folder, more)).install.find(step => step.do === 'write')
    assert.ok(unit?.do === 'write')
    const file = join(folder, '..', 'hyper-nat.service')
    writeFileSync(file, unit.text)
    const verify = (): Promise<Ending> =>
      runProgram(
        programPath('systemd-analyze'),
        ['verify', '--man=no', ...(more.scope === 'user' ? ['--user'] : []), file],
        {
          env: { ...process.env, XDG_RUNTIME_DIR: folder }
        }
      )
    const ours = ({ stdout, stderr }: Ending): string[] =>
      (stdout + stderr).split('\n').filter(line => line.includes('hyper-nat'))
    assert.deepEqual(ours(await verify()), [])
    // It does find faults, in the same places.
    writeFileSync(file, unit.text.replace(' node"', ' nowhere"').replace('UMask=', 'UnknownMask='))
    const faults = ours(await verify()).join('\n')
    assert.match(faults, /nowhere/)
    assert.match(faults, /UnknownMask/)
  })
}

/** A program in place of systemctl that notes what it is asked, and ends as told. */
function fakeSystemctl(folder: string): { env: Record<string, string>; asked: () => string[] } {
  const log = join(folder, 'asked')
  writeFileSync(log, '')
  writeFileSync(
    join(folder, 'systemctl'),
    '#!/bin/sh\necho "$@" >> "$FAKE_LOG"\necho "fake: $1 $2"\n[ "$2" != "$FAKE_FAILS" ]\n',
    { mode: 0o755 }
  )
  return {
    env: {
      PATH: `${folder}:/usr/bin:/bin`,
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, 'config'),
      FAKE_LOG: log
    },
    asked: () => readFileSync(log, 'utf8').trim().split('\n')
  }
}

test('install, status and uninstall do what they show', { skip: linuxOnly }, async t => {
  const folder = oddFolder(t)
  const { env, asked } = fakeSystemctl(folder)
  const written = writeOptions({ schema: [{ mode: 'server', port: 1, secret: newSecret() }] })
  t.after(() => written.remove())
  const service = (args: string[], more: Record<string, string> = {}): Promise<Ending> =>
    runProgram(process.execPath, [mainFile, 'service', ...args], { env: { ...env, ...more } })
  const unit = join(folder, 'config', 'systemd', 'user', 'hyper-nat.service')

  const dry = await service(['install', '--dry-run', '-c', written.file])
  assert.equal(dry.code, 0, dry.stderr)
  assert.ok(!existsSync(unit))
  assert.deepEqual(asked(), [''])

  const installed = await service(['install', '--json', '-c', written.file])
  assert.equal(installed.code, 0, installed.stderr)
  // What systemctl says is no event, and programs read stderr, too.
  const said = installed.stderr.split('\n').slice(0, -1)
  assert.deepEqual(
    said.map(line => JSON.parse(line).msg),
    ['fake: --user daemon-reload', 'fake: --user enable', 'fake: --user restart']
  )
  const { done, steps } = JSON.parse(installed.stdout) as { done: boolean; steps: Step[] }
  assert.equal(done, true)
  assert.equal(dry.stdout.split('\n\n').slice(1, -1).join('\n\n').trim(), stepsText(steps).trim())
  assert.ok(readFileSync(unit, 'utf8').includes(written.file))
  assert.deepEqual(asked(), [
    '--user daemon-reload',
    '--user enable hyper-nat.service',
    '--user restart hyper-nat.service'
  ])

  assert.equal((await service(['status'])).code, 0)
  assert.match((await service(['status'])).stdout, /^fake: --user status\n$/)
  const stopped = await service(['status', '--json'], { FAKE_FAILS: 'status' })
  assert.equal(stopped.code, 1)
  assert.equal((JSON.parse(stopped.stdout) as { running: boolean }).running, false)

  const failed = await service(['install', '-c', written.file], { FAKE_FAILS: 'restart' })
  assert.equal(failed.code, 1)
  assert.match(
    failed.stderr,
    /error SERVICE_FAILED: "systemctl --user restart hyper-nat\.service" did not succeed: it ended with 1/
  )

  // What was stopped or removed by hand is no fault.
  const gone = await service(['uninstall'], { FAKE_FAILS: 'disable' })
  assert.equal(gone.code, 0, gone.stderr)
  assert.ok(!existsSync(unit))

  const bad = await service(['install', '-c', join(folder, 'nowhere.json')])
  assert.equal(bad.code, 2)
  assert.match(bad.stderr, /OPTIONS_NOT_FOUND/)
})

/** Prints what comes to a datagram socket; Node has none of that kind. */
const LISTENER = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!; bind($s, sockaddr_un($ARGV[0])) or die $!;
print "bound\\n"; while (defined recv($s, my $b, 4096, 0)) { print "$b\\n" unless $b =~ /^BARRIER/ }`

staged(
  'a daemon tells systemd that it is ready, alive, reads its options again, and stops',
  async stage => {
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-notify-'))
    stage.defer(() => rmSync(folder, { recursive: true }))
    const socket = join(folder, 'notify')
    const systemd = new Process(programPath('perl'), ['-e', LISTENER, socket])
    stage.defer(() => systemd.stop())
    await systemd.says(/bound/)
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' }
    const words = (): string[] => systemd.stdout.split('\n').slice(1, -1)
    const daemon = await stage.daemon([{ mode: 'server', port: 1, secret: newSecret() }], {}, { env })
    await daemon.event('ready')
    await until(10_000, 'signs of life', () => words().filter(word => word === 'WATCHDOG=1').length >= 2)
    assert.deepEqual(words().slice(0, 3), ['READY=1', 'WATCHDOG=1', 'WATCHDOG=1'])
    daemon.kill('SIGHUP')
    await until(10_000, 'the options', () => words().filter(word => word === 'READY=1').length === 2)
    assert.ok(words().indexOf('RELOADING=1') < words().lastIndexOf('READY=1'))
    // However much is still to be told.
    daemon.kill('SIGHUP')
    await daemon.stop()
    await until(10_000, 'the end', () => words().at(-1) === 'STOPPING=1')
  },
  { skip: linuxOnly || missing('systemd-notify', 'perl') }
)
