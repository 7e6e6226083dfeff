import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { HyperNatError, OptionsError } from '../../../src/errors.js'
import { controlIn, parseOptions, readableByOthers, readOptionsFile } from '../../../src/options/file.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-options-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const SECRET = 'qm4jzr8tk3ow9yxa5hbdnc6e'
const serverText = JSON.stringify({ schema: [{ mode: 'server', port: 1, secret: SECRET }] })
const clientText = JSON.stringify({ schema: [{ mode: 'client', port: 1, publicKey: KEY }] })
const posix = process.platform !== 'win32'

function write(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, content, { mode })
  chmodSync(path, mode)
  return path
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const err = await promise.then(
    () => assert.fail('it was read'),
    (err: unknown) => err
  )
  assert.ok(err instanceof HyperNatError, String(err))
  return err.code
}

test('reads UTF-8, with a byte order mark or without, and UTF-16', async () => {
  const files = [
    write('utf8.json', serverText),
    write('bom.json', `\ufeff${serverText}`),
    write('utf16le.json', Buffer.from(`\ufeff${serverText}`, 'utf16le')),
    write('utf16be.json', Buffer.from(`\ufeff${serverText}`, 'utf16le').swap16())
  ]
  for (const path of files) assert.equal((await readOptionsFile(path)).entries.length, 1, path)
})

test('comments and trailing commas are fine', () => {
  const { entries } = parseOptions(
    `// a comment\n{ "schema": [ ${JSON.stringify({ mode: 'server', port: 1, secret: 's' })}, /* more */ ], }`
  )
  assert.equal(entries.length, 1)
})

test('says what is wrong with the file itself', async () => {
  assert.equal(await codeOf(readOptionsFile(join(folder, 'nowhere.json'))), 'OPTIONS_NOT_FOUND')
  assert.equal(await codeOf(readOptionsFile(folder)), 'OPTIONS_UNREADABLE')
  assert.equal(
    await codeOf(readOptionsFile(write('latin1.json', Buffer.from([0x7b, 0xe9, 0x7d])))),
    'BAD_OPTIONS'
  )
})

test('warns of a secret that others can read', { skip: !posix }, async () => {
  const codes = async (path: string) => (await readOptionsFile(path)).warnings.map(warning => warning.code)
  assert.deepEqual(await codes(write('open.json', serverText, 0o644)), ['FILE_READABLE'])
  assert.deepEqual(await codes(write('group.json', serverText, 0o640)), ['FILE_READABLE'])
  assert.deepEqual(await codes(write('others.json', serverText, 0o604)), ['FILE_READABLE'])
  assert.deepEqual(await codes(write('closed.json', serverText, 0o600)), [])
  assert.deepEqual(await codes(write('no-secret.json', clientText, 0o644)), [])
})

test('tells where its control socket is, whatever else is wrong in it', async () => {
  const inFile = (text: string) => controlIn(write('control.json', text))
  for (const rest of ['"schema": []', '"schema": [{ "port": 0 "x" ]', '"schema": ', '"other": 1, "other": 2'])
    assert.equal(await inFile(`{ "control": "run", ${rest} }`), join(folder, 'run'), rest)
  assert.equal(await inFile('{ "schema": [ , "control": false'), undefined)
  assert.equal(await inFile('{ "control": false, "schema": [ }'), false)
  for (const text of ['', '[', 'null', '5', '{ "control": 5 }', '{ "control": "" }', '['.repeat(100_000)])
    assert.equal(await inFile(text), undefined, text.slice(0, 20))
  assert.equal(await controlIn(join(folder, 'gone.json')), undefined)
})

test('does not fail where an editor takes the file away meanwhile', async () => {
  assert.equal(await readableByOthers(join(folder, 'gone.json')), undefined)
})

test('warns of a weak secret once, where it first stands', () => {
  const entry = { mode: 'server', secret: 'mysecret' }
  const { warnings } = parseOptions(
    JSON.stringify({
      schema: [
        { ...entry, port: 1 },
        { ...entry, port: 2 }
      ]
    })
  )
  assert.equal(warnings.length, 1)
  assert.equal(warnings[0]!.code, 'WEAK_SECRET')
  assert.equal(warnings[0]!.path, 'schema[0].secret')
  assert.match(warnings[0]!.message, /anyone with the public key can try thousands.* use a long random one/)
})

test('bootstrap nodes from outside go before those of the file', () => {
  const text = JSON.stringify({ ...JSON.parse(clientText), network: { bootstrap: ['inside:1'] } })
  assert.deepEqual(parseOptions(text).network, { bootstrap: ['inside:1'] })
  assert.deepEqual(parseOptions(text, { text: 'outside:2', place: '--bootstrap' }).network, {
    bootstrap: ['outside:2']
  })
  assert.throws(
    () => parseOptions(text, { text: 'outside', place: '--bootstrap' }),
    (err: unknown) => err instanceof OptionsError && err.faults[0]?.path === '--bootstrap'
  )
})

test('a port whose program needs further ones is a warning', () => {
  const secret = 'a secret that is long enough to be no weak one 7391'
  const told = (...entries: object[]) =>
    parseOptions(
      JSON.stringify({ schema: entries.map(entry => ({ mode: 'server', secret, ...entry })) })
    ).warnings.map(({ code, path }) => `${code} ${path}`)
  assert.deepEqual(told({ port: 69, proto: 'udp' }), ['PORT_UNFIT schema[0].port'])
  assert.deepEqual(told({ port: 69, proto: 'tcp' }), [])
  assert.deepEqual(told({ port: 80, proto: 'tcp' }, { port: 21, proto: 'tcp' }), [
    'PORT_UNFIT schema[1].port'
  ])
  assert.deepEqual(told({ port: '21,50000-50009', proto: 'tcp' }), [])
})

test('a port that leads to a server that was joined is a warning', () => {
  const told = (...entries: object[]) =>
    parseOptions(
      JSON.stringify({
        schema: entries.map(entry => ({
          proto: 'tcp',
          ...('mode' in entry
            ? { secret: 'a secret that is long enough to be no weak one 7391' }
            : { mode: 'client', publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA' }),
          ...entry
        }))
      })
    ).warnings.map(({ code, path, message }) => `${code} ${path}: ${message}`)
  const server = { mode: 'server', port: 25_565 }
  const [warning, ...others] = told({ ...server, port: '25565-25567' }, { port: '25566-25567' })
  assert.deepEqual(others, [])
  assert.match(
    warning!,
    /^TARGET_IS_JOINED schema\[0\]\.port: port 25566-25567 of 127\.0\.0\.1 leads to the server that schema\[1\] joins/
  )
  const joined = (...entries: object[]) => told(...entries).length === 1
  assert.ok(joined(server, { port: 80, localPort: 25_565, localHost: '0.0.0.0' }))
  assert.ok(joined({ ...server, host: 'localhost' }, { port: 25_565, localHost: '::' }))
  assert.ok(joined({ ...server, host: '192.168.1.20' }, { port: 25_565, localHost: '192.168.1.20' }))
  assert.ok(joined({ ...server, host: 'unix:/run/app.sock' }, { port: 80, localHost: 'unix:/run/app.sock' }))
  assert.ok(!joined({ ...server, paused: true }, { port: 25_565 }))
  assert.ok(!joined(server, { port: 25_565, localPort: 25_566 }))
  assert.ok(!joined(server, { port: 25_565, proto: 'udp' }))
  assert.ok(!joined(server, { port: 25_565, localHost: '127.0.0.2' }))
  assert.ok(!joined({ ...server, host: '192.168.1.20' }, { port: 25_565, localHost: '0.0.0.0' }))
})

test('no secret shows in options, faults or warnings', () => {
  const secret = fc.string({ minLength: 12, maxLength: 30 })
  fc.assert(
    fc.property(
      secret,
      fc.constantFrom('server', 'client', 'sever', undefined),
      fc.anything(),
      (text, mode, port) => {
        const entry = { mode, port, secret: `~${text}~`, publicKey: KEY }
        let shown: string
        try {
          const options = parseOptions(JSON.stringify({ schema: [entry, entry] }))
          shown = inspect(options, { depth: 9 }) + JSON.stringify(options)
        } catch (err) {
          assert.ok(err instanceof OptionsError, String(err))
          shown = `${err.message}${JSON.stringify(err)}`
        }
        assert.equal(shown.includes(`~${text}~`), false)
      }
    ),
    { numRuns: 500 }
  )
})

test('any text gives options or an error of ours', () => {
  const broken = fc
    .tuple(fc.nat(serverText.length), fc.string({ maxLength: 3 }))
    .map(([at, s]) => serverText.slice(0, at) + s + serverText.slice(at + 1))
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), broken), text => {
      try {
        parseOptions(text)
      } catch (err) {
        assert.ok(err instanceof OptionsError, String(err))
      }
    }),
    { numRuns: 3000 }
  )
})

test('thousands of brackets are a fault, not a crash', () => {
  const nested = [1000, 3000, 5000, 9000].map(depth => '['.repeat(depth) + ']'.repeat(depth))
  for (const text of ['['.repeat(200_000), '{"a":'.repeat(200_000), ...nested]) {
    assert.throws(() => parseOptions(text), OptionsError)
  }
})
