import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { run } from '../../../src/cli/run.js'
import { choiceOf } from '../../../src/cli/running.js'
import { exitCodeOf, HyperNatError } from '../../../src/errors.js'
import type { Options } from '../../../src/options/entry.js'
import { settingsFile } from '../../../src/options/file.js'
import { FakeDaemon, Memory, runOnce } from './memory.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-cli-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const SECRET = 'qm4jzr8tk3ow9yxa5hbdnc6e'
const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const PEER = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'

function secretOf(options: Options | undefined): string | undefined {
  const entry = options?.entries[0]
  return entry?.mode === 'server' ? entry.secret.reveal() : undefined
}

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

test('a secret comes from a file, without the end of its line', async () => {
  for (const end of ['', '\n', '\r\n']) {
    const path = write('secret.txt', `${SECRET}${end}`)
    const { options, err } = await runOnce(['server', '-p', '1/udp', '--secret-file', path])
    assert.equal(secretOf(options), SECRET)
    assert.equal(err, '')
  }
})

test('a secret comes through stdin', async () => {
  const { options } = await runOnce(['server', '-p', '1/udp', '--secret-file', '-'], { stdin: `${SECRET}\n` })
  assert.equal(secretOf(options), SECRET)
})

test('a secret comes from the environment, unless a flag gives one', async () => {
  const env = { HYPER_NAT_SECRET: SECRET }
  assert.equal(secretOf((await runOnce(['server', '-p', '1/udp'], { env })).options), SECRET)
  assert.equal(secretOf((await runOnce(['server', '-p', '1/udp', '-s', 'other'], { env })).options), 'other')
})

for (const [what, args, set, place] of [
  ['file', ['--secret-file', write('empty.txt', '\n')], {}, '--secret-file'],
  ['stdin', ['--secret-file', '-'], { stdin: '' }, '--secret-file'],
  ['environment', [], { env: { HYPER_NAT_SECRET: '' } }, 'HYPER_NAT_SECRET']
] as const) {
  test(`an empty secret is refused, from the ${what} too`, async () => {
    const { code, err } = await runOnce(['server', '-p', '1/udp', ...args], set)
    assert.equal(code, 2)
    assert.ok(err.includes(`${place}: is empty`), err)
  })
}

test('a secret file of several lines is probably another file', async () => {
  const { code, err } = await runOnce([
    'server',
    '-p',
    '1/udp',
    '--secret-file',
    write('two.txt', 'one\ntwo\n')
  ])
  assert.equal(code, 2)
  assert.match(err, /--secret-file: holds more than one line/)
})

test('without a secret one is made, and shown once', async () => {
  const memory = new Memory()
  memory.fake.onStart = async () => {
    memory.fake.tell({ event: 'ready', mode: 'server', publicKey: 'KEY', maps: [] })
    memory.stop()
  }
  assert.equal(await run(['server', '-p', '1/udp'], memory), 0)
  assert.equal(memory.out.split(secretOf(memory.options)!).length, 2)
  assert.match(memory.out, /Keep it/)
  assert.equal(memory.err, '')
  const json = await runOnce(['server', '-p', '1/udp', '--json'])
  assert.deepEqual(
    json.events.map(({ event, code, secret }) => ({ event, code, secret })),
    [{ event: 'warning', code: 'GENERATED_SECRET', secret: secretOf(json.options) }]
  )
})

test('a given secret is not shown', async () => {
  const { out, err } = await runOnce(['server', '-p', '1/udp', '-s', SECRET, '-vv'])
  assert.doesNotMatch(out + err, new RegExp(SECRET))
})

test('a weak secret is warned of, unless one wants quiet', async () => {
  const args = ['server', '-p', '1/udp', '-s', 'mysecret']
  assert.match((await runOnce(args)).err, /^warning: -s: the secret is one of the first that anyone tries: /)
  assert.equal((await runOnce([...args, '--quiet'])).err, '')
  const { events } = await runOnce([...args, '--json'])
  assert.deepEqual([events[0]?.event, events[0]?.code, events[0]?.path], ['warning', 'WEAK_SECRET', '-s'])
})

test('bootstrap nodes: the flag before the environment before the file', async () => {
  const schema = [{ mode: 'server', port: 1, secret: SECRET }]
  const path = write('options.json', JSON.stringify({ schema, network: { bootstrap: ['file:1'] } }))
  const env = { HYPER_NAT_BOOTSTRAP: 'env:2' }
  const bootstrap = async (args: string[], set: Partial<Memory>) =>
    (await runOnce(['-c', path, ...args], set)).options?.network.bootstrap
  assert.deepEqual(await bootstrap([], {}), ['file:1'])
  assert.deepEqual(await bootstrap([], { env }), ['env:2'])
  assert.deepEqual(await bootstrap(['--bootstrap', 'flag:3,flag:4'], { env }), ['flag:3', 'flag:4'])
})

test('faults of a file are reported with its name and their places', async () => {
  const path = write('bad.json', '{ "schema": [{ "mode": "server", "port": 0, "secret": "" }] }')
  const { code, err } = await runOnce(['--config', path])
  assert.equal(code, 2)
  assert.ok(err.startsWith(`${path}: 2 errors; nothing was started\n  schema[0].port: has 0`), err)
  const { events } = await runOnce(['--config', path, '--json'])
  assert.deepEqual(
    events.map(({ event, code, path }) => ({ event, code, path })),
    ['schema[0].port', 'schema[0].secret'].map(path => ({ event: 'error', code: 'BAD_OPTIONS', path }))
  )
})

test('a file that is not there', async () => {
  const { code, err } = await runOnce(['-c', join(folder, 'nowhere.json')])
  assert.equal(code, 2)
  assert.match(err, /^error OPTIONS_NOT_FOUND: there is no file .*nowhere.json\n$/)
})

test('a daemon of a file is found where the file says, also when the file has faults by now', async () => {
  const path = write('faulty.json', '{ "control": "run", "schema": [{ "mode": "server" "port": 0 }] }')
  const { control } = await choiceOf({ config: path }, { env: {} })
  assert.equal(control, join(folder, 'run'))
})

test('where there is no options.json, a command tells of the file that the page keeps', async t => {
  const elsewhere = join(folder, 'empty')
  mkdirSync(elsewhere)
  const before = process.cwd()
  process.chdir(elsewhere)
  t.after(() => process.chdir(before))
  const { err } = await runOnce(['invite', 'Anna'])
  assert.match(
    err,
    /OPTIONS_NOT_FOUND.*\n-c FILE names another one; or run this in the folder that has it\n$/
  )
  const kept = settingsFile()
  mkdirSync(dirname(kept), { recursive: true })
  writeFileSync(kept, '{ "schema": [] }')
  t.after(() => rmSync(kept))
  const { err: advice } = await runOnce(['invite', 'Anna'])
  assert.ok(advice.endsWith(`kept in another file: add -c "${kept}"\n`), advice)
  const { err: named } = await runOnce(['invite', 'Anna', '-c', 'mine.json'])
  assert.match(named, /or run this in the folder that has it\n$/)
})

test('the page starts where no folder for its file can be made', {
  skip: process.platform === 'linux' ? false : 'there is no /proc',
  timeout: 20_000
}, async t => {
  const before = process.cwd()
  const { XDG_CONFIG_HOME } = process.env
  process.chdir(tmpdir())
  process.env.XDG_CONFIG_HOME = '/proc/hyper-nat-nowhere'
  t.after(() => {
    process.chdir(before)
    process.env.XDG_CONFIG_HOME = XDG_CONFIG_HOME
  })
  const { code, options } = await runOnce(['ui', '--no-open'])
  assert.equal(code, 0)
  assert.equal(options?.source?.path, settingsFile())
})

test('runs until it is asked to stop, then closes', async () => {
  const memory = new Memory()
  const running = run(['server', '-p', '1/udp', '-s', SECRET], memory)
  const started = new Promise<void>(resolve => {
    memory.fake.onStart = async () => resolve()
  })
  await started
  memory.fake.tell({
    event: 'ready',
    mode: 'server',
    publicKey: 'KEY',
    maps: [{ proto: 'udp', port: 1, host: '::1' }]
  })
  assert.match(memory.out, /udp port 1 of ::1\n/)
  assert.equal(memory.fake.closed, false)
  memory.stop()
  assert.equal(await running, 0)
  assert.equal(memory.fake.closed, true)
})

test('a stop during the start is obeyed', async () => {
  const memory = new Memory()
  memory.fake.onStart = () => new Promise(() => {})
  const running = run(['server', '-p', '1/udp', '-s', SECRET], memory)
  memory.stop()
  assert.equal(await running, 0)
  assert.equal(memory.fake.closed, true)
})

test('a start that fails ends with 1 and its cause; with 2 if it was the options', async () => {
  for (const [code, exit] of [
    ['PORT_IN_USE', 1],
    ['UNSUPPORTED', 2]
  ] as const) {
    const fail = () => {
      const fake = new FakeDaemon()
      fake.onStart = async () => {
        throw new HyperNatError(code, 'port 1 of -p 1')
      }
      return fake
    }
    const args = ['server', '-p', '1/udp', '-s', SECRET]
    const text = Object.assign(new Memory(), { fake: fail() })
    assert.equal(await run(args, text), exit)
    assert.equal(text.err, `error ${code}: port 1 of -p 1\n`)
    assert.equal(text.fake.closed, true)
    const json = Object.assign(new Memory(), { fake: fail() })
    assert.equal(await run([...args, '--json'], json), exit)
    assert.deepEqual(json.events, [{ event: 'error', code, message: 'port 1 of -p 1' }])
  }
})

test('an error that nobody expected is not swallowed', async () => {
  const memory = new Memory()
  memory.fake.onStart = async () => {
    throw new TypeError('a bug')
  }
  await assert.rejects(run(['server', '-p', '1/udp', '-s', SECRET], memory), TypeError)
})

test('closing that hangs or fails does not keep the process', async () => {
  const hanging = new FakeDaemon()
  hanging.onClose = () => new Promise(() => {})
  const late = await runOnce(['server', '-p', '1/udp', '-s', SECRET, '-v'], { fake: hanging, closeMs: 1 })
  assert.equal(late.code, 0)
  assert.match(late.err, /closing took too long/)
  const failing = new FakeDaemon()
  failing.onClose = async () => {
    throw new Error('no network')
  }
  const failed = await runOnce(['server', '-p', '1/udp', '-s', SECRET], { fake: failing })
  assert.equal(failed.code, 0)
  assert.match(failed.err, /closing failed; ended without it.*no network/)
})

test('the log: warnings by default, as text or JSON, on stderr', async () => {
  const lines = async (...flags: string[]) => {
    const memory = await runOnce(['server', '-p', '1/udp', '-s', SECRET, ...flags])
    memory.err = ''
    for (const level of ['error', 'warn', 'info', 'debug'] as const)
      memory.log?.[level]({ port: 5 }, `some ${level}`)
    assert.equal(memory.out, '')
    return memory.err.split('\n').slice(0, -1)
  }
  assert.equal((await lines('--quiet')).length, 1)
  assert.equal((await lines()).length, 2)
  assert.equal((await lines('-v')).length, 3)
  const all = await lines('-vv')
  assert.equal(all.length, 4)
  assert.match(all[1]!, /^\d\d:\d\d:\d\d warn {2}some warn {2}port=5$/)
  const { time, ...rest } = JSON.parse((await lines('--json'))[1]!)
  assert.deepEqual(rest, { level: 'warn', port: 5, msg: 'some warn' })
  assert.ok(Date.parse(time) > 0)
})

test('--save-secret writes a secret for its owner alone, and uses it the next time', async () => {
  const path = join(folder, 'kept.txt')
  const first = await runOnce(['server', '-p', '1/udp', '--save-secret', path])
  assert.equal(statSync(path).mode & 0o777, process.platform === 'win32' ? 0o666 : 0o600)
  const secret = readFileSync(path, 'utf8').trim()
  assert.ok(secret.length > 20)
  assert.ok(!first.out.includes(secret) && !first.err.includes(secret))
  const second = await runOnce(['host', 'openarena', '--save-secret', path])
  for (const { options } of [first, second]) {
    const [entry] = options!.entries
    assert.ok(entry?.mode === 'server' && entry.secret.reveal() === secret)
  }
  for (const [args, expected] of [
    [['-s', 'x'], /--save-secret: cannot be combined with -s/],
    [['--secret-file', path], /--save-secret: cannot be combined with --secret-file/]
  ] as const) {
    assert.match((await runOnce(['server', '-p', '1/udp', '--save-secret', path, ...args])).err, expected)
  }
  // With anything else wrong, nothing is written.
  const unused = join(folder, 'unused.txt')
  for (const args of [
    ['server', '-p', '0/udp'],
    ['server', '-p', '1/udp', '--host', ''],
    ['server', '-p', '1/udp', '--nmae', 'x'],
    ['host', 'openarena', '-p', 'x'],
    ['relay', '--port', '0'],
    ['relay', '--port', '5000', '--idel', '10']
  ]) {
    const { code, err } = await runOnce([...args, '--save-secret', unused])
    assert.equal(code, 2, err)
    assert.equal(existsSync(unused), false, args.join(' '))
  }
  // Of two that start at once, one makes it.
  const both = join(folder, 'both.txt')
  const [one, other] = await Promise.all(
    ['1/udp', '2/udp'].map(port => runOnce(['server', '-p', port, '--save-secret', both]))
  )
  const [a, b] = [one, other].map(run => run!.options?.entries[0])
  assert.ok(a?.mode === 'server' && b?.mode === 'server')
  assert.equal(a.secret.reveal(), b.secret.reveal())
  const nowhere = await runOnce(['server', '-p', '1/udp', '--save-secret', join(folder, 'no', 'such')])
  assert.match(nowhere.err, /--save-secret: names .* cannot be written: ENOENT/)
})

for (const [name, args, kept] of [
  [
    'server',
    ['-p', '22/tcp,27015-27016', '--name', 'Home', '--protocol', 'udp'],
    [
      { mode: 'server', name: 'Home', port: 22, proto: 'tcp' },
      { mode: 'server', name: 'Home', port: '27015-27016', proto: 'udp' }
    ]
  ],
  ['host', ['openarena'], [{ mode: 'server', game: 'openarena', playerAddresses: true }]]
] as const) {
  test(`${name} --save keeps what is shared and its secret, and shares it under that again`, async () => {
    const path = join(folder, `${name}.json`)
    const save = async (...more: string[]) => {
      const memory = new Memory()
      memory.fake.onStart = async () => {
        memory.fake.tell({ event: 'ready', mode: 'server', publicKey: 'KEY', maps: [] })
        memory.fake.tell({ event: 'ready', mode: 'server', publicKey: 'KEY', maps: [] })
      }
      memory.stdout = text => {
        memory.out += text
        if (/Saved|already/.test(memory.out)) memory.stop()
      }
      assert.equal(await run([name, ...args, '--save', '-c', path, ...more], memory), 0, memory.err)
      return memory
    }
    const first = await save()
    const secret = secretOf(first.options)!
    assert.match(first.out, /Saved in .*\.json\. Next time run hyper-nat -c .*\.json\.\n/)
    assert.ok(!first.out.includes(secret), 'it is in the file')
    assert.equal(statSync(path).mode & 0o777, process.platform === 'win32' ? 0o666 : 0o600)
    const { schema } = JSON.parse(readFileSync(path, 'utf8'))
    assert.deepEqual(
      schema,
      kept.map(entry => ({ ...entry, secret }))
    )
    assert.equal(secretOf((await runOnce(['-c', path])).options), secret)
    const again = await save('--relay', 'wss://relay.example')
    assert.equal(secretOf(again.options), secret)
    assert.match(again.out, /has it already\nThe file does not keep --relay: docs\/options\.md/)
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).schema.length, kept.length)
    const other = await save('-s', SECRET)
    assert.equal(secretOf(other.options), SECRET)
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).schema.length, 2 * kept.length)
    assert.match((await runOnce([name, ...args, '-c', path])).err, /-c: only works with --save/)
  })
}

test('server --save with faults changes no file', async () => {
  const path = join(folder, 'untouched.json')
  for (const args of [['--metrics', 'x'], ['--such'], ['--host', '']]) {
    assert.equal((await runOnce(['server', '-p', '1/udp', '--save', '-c', path, ...args])).code, 2)
    assert.throws(() => readFileSync(path), { code: 'ENOENT' })
  }
})

test('colours are for terminals that know them, and for people who want them', async () => {
  const shown = async (env: Record<string, string>, columns?: number): Promise<string> => {
    const memory = Object.assign(new Memory(), { env, columns })
    memory.fake.onStart = async () => {
      const maps = [{ proto: 'udp' as const, port: 1, host: '127.0.0.1' }]
      memory.fake.tell({ event: 'ready', mode: 'server', publicKey: KEY, ticket: 'hnat1xyz', maps })
      memory.fake.tell({ event: 'connected', publicKey: KEY, peer: PEER, path: 'lan', host: 'abc' })
      memory.stop()
    }
    assert.equal(await run(['server', '-p', '1/udp', '-s', 'x'], memory), 0)
    // The status line at the foot of a terminal that can erase it has no colours.
    const [first, ...others] = memory.out.split('\r\u001b[K')
    assert.equal(others.length > 0, columns !== undefined && env.TERM !== 'dumb')
    return [first, ...others].join('\n')
  }
  const coloured = await shown({ TERM: 'xterm' }, 100)
  assert.ok(coloured.includes('\u001b[1m  hyper-nat join hnat1xyz\u001b[0m\n'), coloured)
  const lines = coloured.split('\n')
  assert.ok(
    lines.some(line => line.startsWith('\u001b[32mGuest ') && line.endsWith(' connected (lan)\u001b[0m')),
    coloured
  )
  for (const plain of [
    await shown({ TERM: 'xterm', NO_COLOR: '1' }, 100),
    await shown({ TERM: 'dumb' }, 100),
    await shown({ TERM: 'xterm' })
  ])
    assert.ok(!plain.includes('\u001b'), plain)
})

test('ui begins without a file, shows the link, and opens the browser with one that works once', async () => {
  const missing = join(folder, 'not-there-yet.json')
  const link = {
    event: 'ui',
    url: 'http://127.0.0.1:1/#token=t',
    once: 'http://127.0.0.1:1/#code=c'
  } as const
  const start = async (argv: readonly string[], set: Partial<Memory> = {}) => {
    const memory = Object.assign(new Memory(), set)
    memory.fake.onStart = async () => {
      memory.fake.tell(link)
      memory.stop()
    }
    assert.equal(await run(argv, memory), 0, memory.err)
    return memory
  }
  const shown = await start(['ui', '-c', missing])
  assert.deepEqual(shown.opened, [link.once])
  assert.ok(shown.out.includes(link.url), shown.out)
  assert.deepEqual(shown.options?.ui, { port: 0 })
  assert.deepEqual(shown.options?.entries, [])
  assert.equal(shown.options?.source?.path, missing)
  assert.deepEqual((await shown.options?.source?.read())?.entries, [])
  assert.deepEqual((await start(['ui', '-c', missing, '--page-port', '8765'])).options?.ui, { port: 8765 })

  const file = write('page.json', `{ "ui": { "port": 99 }, "schema": [] }`)
  for (const [argv, set, port] of [
    [['ui', '-c', missing, '--no-open'], {}, 0],
    [['ui', '-c', missing, '--json'], {}, 0],
    [['ui', '-c', missing], { columns: undefined } as unknown as Partial<Memory>, 0],
    [['ui', '-c', file, '--no-open'], {}, 99],
    // A run that was not asked for a page by name shows the link, and no more.
    [['-c', file], {}, 99],
    [['-c', write('empty.json', '{ "schema": [] }'), '--ui'], {}, 0]
  ] as const) {
    const { opened, options } = await start(argv, set)
    assert.deepEqual(opened, [], argv.join(' '))
    assert.deepEqual(options?.ui, { port }, argv.join(' '))
  }
})

test('variables that a service will not have are named', async () => {
  const kept = {
    schema: [{ mode: 'server', proto: 'tcp', port: 1, secret: 'a long secret that nobody guesses 4711' }]
  }
  const install = async (options: object): Promise<string> => {
    const memory = new Memory()
    memory.env = { HYPER_NAT_BOOTSTRAP: '192.0.2.1:1', HYPER_NAT_RELAY: '' }
    const file = write('service.json', JSON.stringify(options))
    assert.equal(await run(['service', 'install', '--dry-run', '-c', file], memory), 0, memory.err)
    return memory.out
  }
  const note = 'Note: HYPER_NAT_BOOTSTRAP is set here, and not kept for the service: put "network.bootstrap"'
  assert.ok((await install(kept)).includes(note))
  const own = await install({ ...kept, network: { bootstrap: ['192.0.2.1:1'] } })
  assert.doesNotMatch(own, /is set here/)
})

test('a file without entries is refused where there is no page to fill it', async () => {
  const { code, err } = await runOnce(['-c', write('empty.json', '{ "schema": [] }')])
  assert.equal(code, 2)
  assert.match(err, /schema: is empty; add at least one entry/)
})

test('the exit code is that of the error code', () => {
  for (const [code, exit] of [
    ['BAD_TICKET', 2],
    ['SEVERAL_DAEMONS', 2],
    ['NOT_RUNNING', 1],
    ['SERVER_NOT_FOUND', 1]
  ] as const)
    assert.equal(exitCodeOf(new HyperNatError(code, '')), exit, code)
})
