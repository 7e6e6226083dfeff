// Nothing that the program prints holds a secret, or a key that comes from it: every command, loud and as JSON, when all goes
// well, when the options are wrong, and when it crashes. What keygen prints is its purpose.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import bs58 from 'bs58'
import z32 from 'z32'
import { childKeyPair, RELAYED } from '../../src/identity/child.js'
import { GuestKey } from '../../src/identity/guest.js'
import { keyPairOf, seedOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { decodeTicket, encodeTicket } from '../../src/identity/ticket.js'
import { loadIdentity } from '../../src/options/identity-file.js'
import { connectTcp, readAll } from '../support/clients.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { isLinux } from '../support/machine.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

/** Every way in which bytes could be written. */
function spellings(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  return [
    buffer.toString('hex'),
    buffer.toString('hex').toUpperCase(),
    // The end of base64 depends on what follows.
    buffer.toString('base64').replace(/=+$/, '').slice(0, -2),
    buffer.toString('base64url').slice(0, -2),
    bs58.encode(buffer),
    z32.encode(buffer),
    // util.inspect and JSON of a Buffer.
    (buffer.toString('hex').match(/../g) ?? []).slice(0, 16).join(' '),
    [...buffer.subarray(0, 8)].join(','),
    [...buffer.subarray(0, 8)].join(', ')
  ]
}

/** The secret and all that is as good as it. */
function needlesOf(text: string): string[] {
  const secret = new Secret(text)
  const { secretKey } = keyPairOf(secret)
  const keys = [
    seedOf(secret),
    secretKey,
    ...[undefined, RELAYED].map(name => childKeyPair(keyPairOf(secret), name).scalar)
  ]
  return [
    text,
    Buffer.from(text).toString('hex'),
    Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -2),
    ...keys.flatMap(spellings)
  ]
}

function leaks(output: string, needles: readonly string[]): string[] {
  return needles.filter(needle => output.includes(needle))
}

function refuseLeaks(needles: readonly string[], daemons: readonly HyperNat[]): void {
  for (const daemon of daemons) {
    const output = daemon.stdout + daemon.stderr
    assert.ok(output.length > 0, 'it said something')
    assert.deepEqual(leaks(output, needles), [], daemon.describe())
  }
}

function folderOf(stage: Stage): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

staged('the search finds what keygen prints, and nothing more', async stage => {
  const keygen = stage.start(['keygen', '--json', '-vv'])
  await keygen.end()
  const { secret } = JSON.parse(keygen.stdout)
  assert.deepEqual(leaks(keygen.stdout + keygen.stderr, needlesOf(secret)), [secret])
})

for (const voice of [['-vv', '--json'], ['-vv']]) {
  staged(`server, client, join and id keep their secrets: ${voice.join(' ')}`, async stage => {
    const { bootstrap } = await stage.testnet()
    const folder = folderOf(stage)
    const secret = newSecret()
    const secretFile = join(folder, 'secret.txt')
    writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 })
    const options = join(folder, 'options.json')
    const target = await stage.use(listenTcpEcho())
    writeFileSync(
      options,
      JSON.stringify({
        network: { bootstrap },
        schema: [{ mode: 'server', proto: 'tcp', port: target.port, secret }]
      }),
      { mode: 0o644 }
    )
    const env = { HYPER_NAT_BOOTSTRAP: bootstrap.join(','), NODE_DEBUG: '' }
    const identity = join(folder, 'me.key')
    const id = stage.start(['id', '--identity', identity, ...voice])
    await id.end()
    const needles = [
      ...needlesOf(secret),
      ...spellings((await loadIdentity(identity)).secretKey),
      ...spellings((await loadIdentity(identity)).secretKey.subarray(0, 32)),
      readFileSync(identity, 'utf8').split('\n')[1]!
    ]
    const fromFile = stage.start(['-c', options, ...voice], { env })
    const [, ticket = ''] = await fromFile.says(/(hnat1[a-z0-9]+)/)
    const join1 = stage.start(['join', ticket, '-l', '0', '--identity', identity, ...voice], { env })
    await join1.says(/onnected/)
    const [, port] = await join1.says(/(?:"localPort":|127\.0\.0\.1:)(\d+)/)
    const socket = await connectTcp(Number(port))
    socket.end('hello')
    await readAll(socket)
    const said = [id, fromFile, join1]
    // The same secret once more, in each of its other ways; and a relay.
    await fromFile.stop()
    const args = ['server', '-p', `${target.port}`, '--protocol', 'tcp', ...voice]
    const ways: [string[], Record<string, string>][] = [
      [['-s', secret], {}],
      [['--secret-file', secretFile], {}],
      [[], { HYPER_NAT_SECRET: secret }]
    ]
    for (const [flags, more] of ways) {
      const server = stage.start([...args, ...flags], { env: { ...env, ...more } })
      await server.says(/hnat1/)
      // What everybody on this computer may read of it.
      const shown = isLinux && readFileSync(`/proc/${server.pid}/cmdline`, 'utf8')
      if (shown) assert.equal(shown.includes(secret), flags.includes('-s'))
      await server.stop()
      said.push(server)
    }
    const relay = stage.start(['relay', '--secret-file', secretFile, ...voice], { env })
    await relay.says(/relay/)
    await relay.stop()
    await join1.stop()
    refuseLeaks(needles, [...said, relay])
  })
}

staged('an invite in a ticket is not shown, wherever the ticket was wrong', async stage => {
  const invite = Buffer.from(newSecret(), 'hex').subarray(0, 24)
  const { publicKey } = keyPairOf(new Secret(newSecret()))
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 1 }], invite })
  const needles = [...spellings(invite), ticket.slice(80, 100)]
  assert.ok(ticket.includes(needles.at(-1)!))
  const file = join(folderOf(stage), 'options.json')
  const said: HyperNat[] = []
  for (const text of [
    ticket,
    ticket.slice(0, -3),
    ticket.replace(/.$/, '0'),
    `${ticket}${ticket}`,
    `x${ticket}`
  ]) {
    writeFileSync(file, JSON.stringify({ schema: [{ mode: 'client', ticket: text, prot: 'x' }] }), {
      mode: 0o600
    })
    for (const args of [
      ['join', text],
      ['ticket', text],
      ['-c', file],
      [text],
      ['join', text, '--frobnicate'],
      ['client', '-r', '1', '-k', text]
    ]) {
      const daemon = stage.start([...args, '-vv', '--json'])
      await daemon.end()
      said.push(daemon)
    }
  }
  refuseLeaks(needles, said)
})

for (const voice of [['-vv', '--json'], ['-vv']]) {
  staged(`host and guest keep the keys of guests to themselves: ${voice.join(' ')}`, async stage => {
    const { bootstrap } = await stage.testnet()
    const folder = folderOf(stage)
    const secret = newSecret()
    const options = join(folder, 'options.json')
    const target = await stage.use(listenTcpEcho())
    const schema = [{ mode: 'server', proto: 'tcp', port: target.port, secret, private: true }]
    writeFileSync(options, JSON.stringify({ network: { bootstrap }, schema }), { mode: 0o600 })
    const server = stage.start(['-c', options, ...voice])
    await server.says(/Sharing|"ready"/)
    const invite = stage.start(['invite', 'Anna', '-c', options, '--json'])
    await invite.end()
    const { ticket } = JSON.parse(invite.stdout)
    const seed = decodeTicket(ticket).invite!
    const { keyPair } = new GuestKey(seed)
    const needles = [
      ...needlesOf(secret),
      ...spellings(seed),
      ...spellings(keyPair.secretKey),
      ticket.slice(80, 110)
    ]
    const saved = join(folder, 'guest.json')
    const joined = stage.start(['join', ticket, '-l', '0', '--save', '-c', saved, ...voice])
    await joined.says(/onnected/)
    await server.says(/Anna/)
    const listed = stage.start(['guests', '-c', options, ...voice])
    await listed.end()
    const revoked = stage.start(['revoke', 'Anna', '-c', options, ...voice])
    await revoked.end()
    await joined.says(/NOT_INVITED/)
    await joined.stop()
    const again = stage.start(['-c', saved, ...voice])
    await again.says(/SERVER_NOT_RUNNING|Waiting/, 30_000)
    await again.stop()
    await server.stop()
    assert.ok(readFileSync(saved, 'utf8').includes(ticket), 'a saved ticket is a secret in a file')
    const file = readFileSync(options, 'utf8')
    assert.deepEqual(leaks(file, [...spellings(seed), ...spellings(keyPair.secretKey)]), [])
    refuseLeaks(needles, [server, joined, listed, revoked, again])
  })
}

staged('faults of options are reported without their secrets', async stage => {
  const secret = newSecret()
  const file = join(folderOf(stage), 'options.json')
  const good = { mode: 'server', proto: 'tcp', port: 1, secret }
  const texts = [
    JSON.stringify({ schema: [good, good] }),
    JSON.stringify({ schema: [{ ...good, port: 0 }] }),
    JSON.stringify({ schema: [{ ...good, secret: { is: secret } }] }),
    JSON.stringify({ schema: [{ ...good, secret: [secret] }] }),
    JSON.stringify({ schema: [{ ...good, mode: 'sever' }] }),
    JSON.stringify({ schema: [good] }).replace(',"secret"', ' "secret"'),
    `{ "schema": [{ "mode": "server", "secret": "${secret}`,
    JSON.stringify({ schema: [{ mode: 'client', port: 1, secret }] })
  ]
  const said: HyperNat[] = []
  for (const text of texts) {
    writeFileSync(file, text, { mode: 0o600 })
    const daemon = stage.start(['-c', file, '-vv', '--json'])
    assert.equal((await daemon.end()).code, 2)
    said.push(daemon)
  }
  refuseLeaks(needlesOf(secret), said)
})

/** Run inside the program: an error that nobody expects and that knows too much. */
function sabotage(words: string): string {
  return `data:text/javascript,${encodeURIComponent(`
    const write = process.stdout.write
    process.stdout.write = function (...args) {
      if (/hnat1/.test(String(args[0]))) queueMicrotask(() => { throw new TypeError('near ${words}') })
      return write.apply(this, args)
    }`)}`
}

/** The crash is reported, as an event where those are wanted. */
function wantReport({ stdout, stderr }: HyperNat, asEvent: boolean): void {
  const message = 'TypeError: near [secret]'
  if (asEvent) {
    const event = JSON.parse(stdout.trim().split('\n').at(-1)!)
    assert.deepEqual(event, { event: 'error', code: 'INTERNAL', message })
  } else assert.ok(stderr.includes(`error INTERNAL: ${message}`), stderr)
}

staged('a crash does not show the secret either', async stage => {
  const { bootstrap } = await stage.testnet()
  const secret = newSecret()
  const said: HyperNat[] = []
  for (const voice of [[], ['--json'], ['-vv']]) {
    const args = ['server', '-p', '1', '-s', secret, '--bootstrap', bootstrap.join(','), ...voice]
    const daemon = stage.start(args, { nodeArgs: ['--import', sabotage(secret)] })
    assert.equal((await daemon.end()).code, 1)
    wantReport(daemon, voice.includes('--json'))
    said.push(daemon)
  }
  refuseLeaks(needlesOf(secret), said)
})

staged('nor does one after a reload that brought the secret', async stage => {
  const { bootstrap } = await stage.testnet()
  const [first, second] = [newSecret(), newSecret()]
  const folder = mkdtempSync(join(tmpdir(), 'hn-secrets-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'options.json')
  const write = (secret: string): void =>
    writeFileSync(
      file,
      JSON.stringify({
        schema: [{ mode: 'server', secret, proto: 'tcp', port: 1 }],
        network: { bootstrap }
      }),
      { mode: 0o600 }
    )
  write(first)
  const source = `
    const write = process.stdout.write
    process.stdout.write = function (...args) {
      if (String(args[0]).includes('reloaded')) queueMicrotask(() => { throw new TypeError('near ${second}') })
      return write.apply(this, args)
    }`
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
  const daemon = stage.start(['-c', file, '--json'], { nodeArgs })
  await daemon.event('ready')
  write(second)
  assert.equal((await daemon.end()).code, 1)
  wantReport(daemon, true)
  refuseLeaks(needlesOf(second), [daemon])
})
