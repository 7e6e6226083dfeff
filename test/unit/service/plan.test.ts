import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { HyperNatError } from '../../../src/errors.js'
import { parseOptions } from '../../../src/options/file.js'
import { partsHere, planFor } from '../../../src/service/apply.js'
import { type ServiceParts, type Step, stepsText } from '../../../src/service/plan.js'

const PARTS: ServiceParts = {
  scope: 'user',
  program: ['/usr/bin/node', '/usr/lib/hyper-nat/main.js'],
  options: '/home/anna/options.json',
  owner: 'anna',
  home: '/home/anna',
  config: '/home/anna/.config',
  uid: 1000,
  account: 'PC\\anna',
  lowPorts: false
}

const ROOTS = { ...PARTS, scope: 'system', owner: null, options: '/etc/hyper-nat/options.json' } as const

function written(steps: readonly Step[]): { path: string; text: string } {
  const found = steps.filter(step => step.do === 'write')
  assert.equal(found.length, 1)
  return found[0]!
}

function commands(steps: readonly Step[]): string[] {
  return steps.flatMap(step => (step.do === 'run' ? [step.command.join(' ')] : [`${step.do} ${step.path}`]))
}

/** The settings of a unit, each with all its values. */
function settings(text: string): Record<string, string[]> {
  const all: Record<string, string[]> = {}
  for (const line of text.split('\n')) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) (all[key] ??= []).push(value!)
  }
  return all
}

test('systemd, for a user', () => {
  const plan = planFor(PARTS, 'linux')
  const { path, text } = written(plan.install)
  assert.equal(path, '/home/anna/.config/systemd/user/hyper-nat.service')
  const unit = settings(text)
  assert.deepEqual(unit.ExecStart, [
    '"/usr/bin/node" "/usr/lib/hyper-nat/main.js" -c "/home/anna/options.json"'
  ])
  assert.deepEqual([unit.Type, unit.NotifyAccess, unit.WatchdogSec], [['notify'], ['all'], ['60']])
  // Options that cannot be used do not become better by a restart.
  assert.deepEqual([unit.Restart, unit.RestartPreventExitStatus], [['on-failure'], ['2']])
  assert.deepEqual(unit.ExecReload, ['/bin/kill -HUP $MAINPID'])
  assert.deepEqual(unit.NoNewPrivileges, ['yes'])
  assert.deepEqual(unit.WantedBy, ['default.target'])
  // A user's manager may be unable to make namespaces, and then it starts nothing that asks for them.
  for (const key of ['User', 'DynamicUser', 'ProtectSystem', 'PrivateTmp', 'PrivateDevices']) {
    assert.equal(unit[key], undefined, key)
  }
  assert.deepEqual(commands(plan.install), [
    `write ${path}`,
    'systemctl --user daemon-reload',
    'systemctl --user enable hyper-nat.service',
    'systemctl --user restart hyper-nat.service'
  ])
  assert.deepEqual(commands(plan.uninstall), [
    'systemctl --user disable --now hyper-nat.service',
    `remove ${path}`,
    'systemctl --user daemon-reload'
  ])
  assert.match(plan.notes.join('\n'), /loginctl enable-linger/)
})

test('systemd, for the machine, as the owner of the options', () => {
  const identity = '/home/anna/keys/me.key'
  const plan = planFor({ ...PARTS, scope: 'system', identity }, 'linux')
  const { path, text } = written(plan.install)
  assert.equal(path, '/etc/systemd/system/hyper-nat.service')
  const unit = settings(text)
  assert.deepEqual(unit.User, ['anna'])
  assert.equal(unit.DynamicUser, undefined)
  assert.deepEqual(unit.ReadWritePaths, ['"-/home/anna" "-/home/anna/keys"'])
  // systemd would not start it without them, and it could not make them itself.
  assert.deepEqual(commands(plan.install).slice(0, 3), [
    'runuser -u anna -- mkdir -p -m 0700 /home/anna',
    'runuser -u anna -- mkdir -p -m 0700 /home/anna/keys',
    `write ${path}`
  ])
  assert.deepEqual([unit.ProtectSystem, unit.ProtectHome], [['strict'], ['read-only']])
  assert.deepEqual([unit.CapabilityBoundingSet, unit.AmbientCapabilities], [[''], ['']])
  assert.deepEqual(unit.WantedBy, ['multi-user.target'])
  assert.deepEqual(plan.status, ['systemctl', 'status', '--no-pager', 'hyper-nat.service'])
})

test('whatever asks for a port below 1024 gives the service the right to it', async () => {
  const client = {
    mode: 'client',
    publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA',
    port: 80,
    proto: 'tcp'
  }
  const asks = async (localPort: number, more: object = {}): Promise<boolean> => {
    const options = parseOptions(JSON.stringify({ schema: [{ ...client, localPort }], ...more }))
    return (await partsHere('system', ['/x'], fileURLToPath(import.meta.url), options)).lowPorts
  }
  assert.equal(await asks(8080), false)
  assert.equal(await asks(0, { metrics: { port: 0 }, ui: true }), false)
  assert.equal(await asks(80), true)
  assert.equal(await asks(8080, { network: { tcp: { port: 443, address: 'wss://x.example' } } }), true)
  assert.equal(await asks(8080, { metrics: { port: 81 } }), true)
  assert.equal(await asks(8080, { ui: { port: 82 } }), true)
})

test('systemd, for the machine, with options that only root reads', () => {
  const plan = planFor({ ...ROOTS, identity: '/x', logFile: '/y', lowPorts: true }, 'linux')
  const unit = settings(written(plan.install).text)
  assert.deepEqual(unit.DynamicUser, ['yes'])
  assert.equal(unit.User, undefined)
  assert.deepEqual(unit.LoadCredential, ['options.json:/etc/hyper-nat/options.json'])
  assert.match(
    unit.ExecStart![0]!,
    / -c %d\/options\.json --identity %S\/hyper-nat\/identity --log-file %L\/hyper-nat\/hyper-nat\.log$/
  )
  assert.deepEqual([unit.StateDirectory, unit.LogsDirectory], [['hyper-nat'], ['hyper-nat']])
  assert.deepEqual(unit.AmbientCapabilities, ['CAP_NET_BIND_SERVICE'])
  // It reads a copy, which systemd makes at the start alone.
  assert.equal(unit.ExecReload, undefined)
  assert.match(plan.notes.join('\n'), /systemctl restart hyper-nat/)
  assert.doesNotMatch(plan.notes.join('\n'), /home folder/)
  assert.match(
    planFor({ ...ROOTS, program: ['/root/.nvm/node', '/usr/lib/main.js'] }, 'linux').notes.join('\n'),
    /\/root\/\.nvm\/node is in a home folder/
  )
  const more = { friends: ['bob'], tlsFiles: ['/etc/tls/cert.pem', '/etc/tls/key.pem'] }
  const told = planFor({ ...ROOTS, ...more }, 'linux').notes.join('\n')
  assert.match(told, /no friends by the name of bob.* ticket or key/)
  assert.match(told, /read \/etc\/tls\/cert\.pem and \/etc\/tls\/key\.pem: give absolute paths/)
  const plain = settings(written(planFor(ROOTS, 'linux').install).text)
  assert.deepEqual([plain.StateDirectory, plain.LogsDirectory], [undefined, undefined])
})

test('a control folder that the options name, or that they want none, is left as it is', async () => {
  const unitOf = (more: Partial<ServiceParts>) => {
    const plan = planFor({ ...PARTS, scope: 'system', ...more }, 'linux')
    return { unit: settings(written(plan.install).text), notes: plan.notes.join('\n'), plan }
  }
  // The environment would have the last word.
  assert.deepEqual(unitOf({}).unit.Environment, ['HYPER_NAT_CONTROL=%t/hyper-nat-service'])
  const named = unitOf({ control: '/home/anna/run' })
  assert.equal(named.unit.Environment, undefined)
  assert.deepEqual(named.unit.ReadWritePaths, ['"-/home/anna" "-/home/anna/run"'])
  assert.equal(commands(named.plan.install)[1], 'runuser -u anna -- mkdir -p -m 0700 /home/anna/run')
  assert.match(named.notes, /status --control \/home\/anna\/run,/)
  for (const owner of ['anna', null]) {
    const none = unitOf({ owner, control: false })
    assert.equal(none.unit.Environment, undefined)
    assert.doesNotMatch(none.notes, /--control/)
  }
  // A user that exists while it runs has no other folder that lasts as long.
  const dynamic = unitOf({ owner: null, control: '/srv/run' })
  assert.deepEqual(dynamic.unit.Environment, ['HYPER_NAT_CONTROL=%t/hyper-nat-service'])
  assert.match(dynamic.notes, /--control \/run\/hyper-nat-service/)

  const file = fileURLToPath(import.meta.url)
  const parts = async (control: string | false) =>
    (await partsHere('system', ['/x'], file, { ...parseOptions('{ "schema": [] }'), control })).control
  assert.equal(await parts('/srv/run'), '/srv/run')
  assert.equal(await parts(false), false)
})

test('sockets with a path can be made, and are found, by the service of the machine', async () => {
  const client = { mode: 'client', publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA', proto: 'tcp' }
  const server = { mode: 'server', secret: 'a long one, of many words', proto: 'tcp', port: 5432 }
  const partsOf = async (...schema: object[]): Promise<ServiceParts> => {
    const options = parseOptions(JSON.stringify({ schema }))
    const {
      sockets = [],
      targetSockets = [],
      lowPorts
    } = await partsHere('system', ['/x'], fileURLToPath(import.meta.url), options)
    return { ...PARTS, scope: 'system', sockets, targetSockets, lowPorts }
  }
  const unitOf = (parts: ServiceParts) => settings(written(planFor(parts, 'linux').install).text)

  const web = await partsOf({ ...client, port: 80, localHost: 'unix:/srv/app/web.sock' })
  const { ReadWritePaths, PrivateTmp, AmbientCapabilities } = unitOf(web)
  assert.deepEqual(ReadWritePaths, ['"-/home/anna" "-/srv/app"'])
  assert.deepEqual([PrivateTmp, AmbientCapabilities], [['yes'], ['']])
  assert.match(planFor({ ...web, owner: null }, 'linux').notes.join('\n'), /\/srv\/app\/web\.sock/)

  // A folder for temporary files of its own would hide them.
  const here = await partsOf({ ...client, port: 80, localHost: 'unix:/tmp/web.sock' })
  assert.deepEqual(unitOf(here).PrivateTmp, ['no'])
  const target = await partsOf({ ...server, host: 'unix:/tmp/.s.PGSQL.5432' })
  assert.deepEqual(unitOf(target).PrivateTmp, ['no'])
  assert.deepEqual(unitOf(target).ReadWritePaths, ['"-/home/anna"'], 'its program makes it')
  assert.match(planFor({ ...target, owner: null }, 'linux').notes.join('\n'), /\/tmp\/\.s\.PGSQL\.5432/)
})

test('a user without a home folder can ask how the service is', async t => {
  t.mock.method(os, 'homedir', () => {
    throw new Error('ENOENT')
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  assert.equal((await partsHere('system', ['/x'], 'options.json')).home, '/')
})

test('systemd takes paths for what they are', () => {
  const { text } = written(planFor({ ...PARTS, options: '/a b/"c"\\%d/$HOME.json' }, 'linux').install)
  assert.match(text, / -c "\/a b\/\\"c\\"\\\\%%d\/\$\$HOME\.json"\n/)
})

test('launchd, for a user and for the machine', () => {
  const plan = planFor({ ...PARTS, home: '/Users/anna', options: '/Users/anna/R&D <x>.json' }, 'darwin')
  const { path, text } = written(plan.install)
  assert.equal(path, '/Users/anna/Library/LaunchAgents/hyper-nat.plist')
  assert.match(text, /<string>\/Users\/anna\/R&amp;D &lt;x&gt;\.json<\/string>/)
  assert.match(text, /<key>SuccessfulExit<\/key><false\/>/)
  assert.doesNotMatch(text, /UserName/)
  assert.deepEqual(commands(plan.install), [
    `write ${path}`,
    'launchctl bootout gui/1000/hyper-nat',
    'launchctl enable gui/1000/hyper-nat',
    `launchctl bootstrap gui/1000 ${path}`
  ])
  const system = planFor({ ...PARTS, scope: 'system' }, 'darwin')
  assert.equal(written(system.install).path, '/Library/LaunchDaemons/hyper-nat.plist')
  assert.match(written(system.install).text, /<key>UserName<\/key><string>anna<\/string>/)
  assert.equal(commands(system.uninstall)[0], 'launchctl bootout system/hyper-nat')
  assert.match(planFor(ROOTS, 'darwin').notes.join('\n'), /runs as root/)
})

const WINDOWS = {
  ...PARTS,
  program: ['C:\\Program Files\\nodejs\\node.exe', 'C:\\hyper-nat\\main.js'],
  options: 'C:\\Users\\anna\\R&D.json',
  config: 'C:\\Users\\anna\\AppData\\Roaming'
}

test('the task scheduler of Windows', () => {
  const plan = planFor(WINDOWS, 'win32')
  const [write] = plan.install
  assert.ok(write?.do === 'write' && write.encoding === 'utf16le')
  const { path, text } = write
  assert.equal(path, 'C:\\Users\\anna\\AppData\\Roaming\\hyper-nat-task.xml')
  assert.ok(text.startsWith('\ufeff<?xml version="1.0" encoding="UTF-16"?>\r\n'))
  assert.match(
    text,
    /<Arguments>--headless &quot;C:\\Program Files\\nodejs\\node\.exe&quot; C:\\hyper-nat\\main\.js -c C:\\Users\\anna\\R&amp;D\.json</
  )
  assert.match(text, /<LogonTrigger><Enabled>true<\/Enabled><UserId>PC\\anna<\/UserId>/)
  assert.match(text, /<ExecutionTimeLimit>PT0S</)
  assert.deepEqual(commands(plan.install).slice(1), [
    'schtasks /End /TN hyper-nat',
    `schtasks /Create /TN hyper-nat /XML ${path} /F`,
    'schtasks /Run /TN hyper-nat'
  ])
  const system = written(planFor({ ...WINDOWS, scope: 'system' }, 'win32').install).text
  assert.match(system, /<BootTrigger>/)
  assert.match(system, /<UserId>S-1-5-19<\/UserId>/)
  assert.doesNotMatch(system, /anna<\/UserId>/)
})

test('a single-file program is started as itself by every system', () => {
  const alone = { ...PARTS, program: ['/opt/hyper nat'] }
  assert.match(written(planFor(alone, 'linux').install).text, /^ExecStart="\/opt\/hyper nat" -c "\/home/m)
  const plist = written(planFor(alone, 'darwin').install).text
  assert.match(plist, /<array>\s*<string>\/opt\/hyper nat<\/string>\s*<string>-c</)
  const task = written(planFor({ ...WINDOWS, program: ['C:\\h n\\hyper-nat.exe'] }, 'win32').install).text
  assert.match(task, /--headless &quot;C:\\h n\\hyper-nat\.exe&quot; -c /)
})

test('another system gets an error that there is nothing for it', () => {
  assert.throws(
    () => planFor(PARTS, 'freebsd'),
    (err: unknown) => err instanceof HyperNatError && err.code === 'UNSUPPORTED'
  )
})

test('steps are shown as they are done', () => {
  const shown = stepsText([
    { do: 'write', path: '/x', text: 'one\n\ntwo\n', mode: 0o600 },
    { do: 'run', command: ['a', 'b c'] },
    { do: 'remove', path: '/y' }
  ])
  assert.equal(shown, 'write /x\n  one\n\n  two\nrun a "b c"\nremove /y\n')
})
