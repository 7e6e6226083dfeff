import assert from 'node:assert/strict'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { runOnce } from './memory.js'

const { publicKey } = keyPairOf(new Secret('bob'))
const TICKET = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 25565 }] })

const KEY = encodeKey(keyPairOf(new Secret('eve')).publicKey)

const says = (...argv: string[]) => runOnce(argv)

test('friends are added, listed, renamed, used and removed', async () => {
  assert.match((await says('friends')).out, /^There are no friends yet/)
  assert.match((await says('friends', 'add', 'bob', TICKET)).out, /hyper-nat join bob/)
  assert.match((await says('friends', 'list')).out, new RegExp(`^bob +${encodeKey(publicKey)} +ticket$`, 'm'))
  assert.deepEqual(JSON.parse((await says('friends', '--json')).out), {
    event: 'friends',
    friends: [{ name: 'bob', publicKey: encodeKey(publicKey), hasTicket: true }]
  })
  const joined = await says('join', 'bob', '--anonymous')
  assert.equal(joined.code, 0, joined.err)
  const [entry] = joined.options!.entries
  assert.ok(entry?.mode === 'client' && entry.port === 25565)
  assert.equal(encodeKey(entry.publicKey), encodeKey(publicKey))
  assert.equal((await says('friends', 'rename', 'bob', 'robert')).code, 0)
  assert.equal((await says('friends', 'remove', 'robert')).code, 0)
  assert.match((await says('friends')).out, /^There are no friends yet/)
})

test('options that name a friend who is renamed or removed are listed', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-friends-'))
  const before = process.cwd()
  process.chdir(folder)
  t.after(() => {
    process.chdir(before)
    rmSync(folder, { recursive: true, force: true })
  })
  assert.equal((await says('friends', 'add', 'carl', KEY)).code, 0)
  const client = (server: string, port = 8080) => ({ mode: 'client', server, proto: 'tcp', port })
  writeFileSync('options.json', JSON.stringify({ schema: [client(KEY), client('Carl', 8081)] }))
  const place = `${join(realpathSync(folder), 'options.json')}: schema[1]`
  const renamed = await says('friends', 'rename', 'carl', 'charles')
  assert.ok(
    renamed.out.includes(`Write charles in ${place}; until then that file cannot be used.`),
    renamed.out
  )
  writeFileSync('options.json', JSON.stringify({ schema: [client('charles')] }))
  const removed = await says('friends', 'remove', 'charles', '--json')
  assert.deepEqual(JSON.parse(removed.out).usedIn, [place.replace('[1]', '[0]')])
})

test('what is missing, unknown or taken is said', async () => {
  for (const [argv, code, message] of [
    [['friends', 'add'], 2, /add: needs the name/],
    [['friends', 'add', 'bob'], 2, /add: needs a ticket or a public key/],
    [['friends', 'frob'], 2, /frob: is unknown; give one of list, add/],
    [['friends', 'list', 'bob'], 2, /list: has too many words/],
    [['friends', 'remove', 'bob', 'eve'], 2, /remove: has too many words/],
    [['friends', 'rename', 'bob', 'rob', 'ert'], 2, /rename: has too many words/],
    [['friends', 'remove', 'zoe'], 2, /zoe.*(not|nor) one of your friends/],
    [['ping', 'zoe'], 2, /zoe.*(not|nor) one of your friends/],
    [['join', 'zoe'], 2, /zoe.*(not|nor) one of your friends/],
    [['connect', 'zoe', '22'], 2, /zoe.*(not|nor) one of your friends/],
    [['friends', 'add', 'taken', KEY], 0, /^$/],
    [['friends', 'add', 'taken', TICKET], 1, /^error NAME_TAKEN: "taken" is another server.*--replace/],
    [['friends', 'add', 'taken', TICKET, '--replace'], 0, /^$/],
    [['friends', 'remove', 'taken'], 0, /^$/]
  ] as const) {
    const said = await says(...argv)
    assert.equal(said.code, code, said.err)
    assert.match(said.err, message)
  }
})

test('a client takes forwards as one word each, of several servers', async () => {
  assert.equal((await says('friends', 'add', 'bob', TICKET)).code, 0)
  const other = encodeKey(keyPairOf(new Secret('eve')).publicKey)
  const { code, err, options } = await says(
    ...[
      'client',
      '8022:bob:22',
      `local:8053:${other}:53/udp`,
      '0.0.0.0:80:Bob:8080',
      '[::1]:9000:bob:9/tcp+udp'
    ]
  )
  assert.equal(code, 0, err)
  const entries = options!.entries.map(entry => {
    assert.ok(entry.mode === 'client')
    const { proto, port, localPort, localHost } = entry
    return [proto, port, localPort, localHost, encodeKey(entry.publicKey)].join(' ')
  })
  const bob = encodeKey(publicKey)
  assert.deepEqual(entries, [
    `tcp 22 8022 127.0.0.1 ${bob}`,
    `udp 53 8053 127.0.0.1 ${other}`,
    `tcp 8080 80 0.0.0.0 ${bob}`,
    `tcp 9 9000 ::1 ${bob}`,
    `udp 9 9000 ::1 ${bob}`
  ])
  for (const [argv, status, message] of [
    [['8022:bob'], 2, /"8022:bob": is not a forward; write LOCALPORT:SERVER:PORT/],
    [['8022:bob:22/sctp'], 2, /"8022:bob:22\/sctp".*"sctp"/],
    [['70000:bob:22'], 2, /"70000:bob:22".*70000/],
    [['8022:zoe:22'], 2, /zoe.*(not|nor) one of your friends/],
    [['8022:bob:22', '-r', '80'], 2, /-r: cannot be combined/],
    [['8022:bob:22', '8022:bob:23'], 2, /8022/]
  ] as const) {
    const said = await says('client', ...argv)
    assert.equal(said.code, status, said.err)
    assert.match(said.err, message)
  }
  assert.equal((await says('friends', 'remove', 'bob')).code, 0)
})
