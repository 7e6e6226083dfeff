// What a person gets who made a mistake: exit code 2, every fault with its place, and nothing started.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeKey } from '../../src/identity/encoding.js'
import { encodeTicket } from '../../src/identity/ticket.js'
import { type HyperNat, writeOptions } from '../support/hyper-nat.js'
import { bindUdp, listenTcp } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

const KEY = '8KdZA6WUUjkpSJSFoUHKfuj2hTygNkbLFnREPwn8u89r'
const secret = newSecret()
const server = { mode: 'server', proto: 'tcp', port: 3000, secret }
const client = { mode: 'client', proto: 'tcp', port: 80, localPort: 0, publicKey: KEY }

/** Each case: what is wrong, the options, and what the message must hold for every fault in it. */
const files: [string, unknown, RegExp[]][] = [
  ['not JSON', '{\n  "schema": [\n    {,}\n  ]\n}', [/line 3/i, /column 6/i]],
  ['cut off', '{"schema": [', [/line 1/i, /column \d+/i]],
  ['empty', '', [/line 1|empty|nothing/i]],
  ['a list', [], [/schema|object/]],
  ['no schema', {}, [/schema/]],
  ['an empty schema', { schema: [] }, [/schema/]],
  ['a schema that is no list', { schema: {} }, [/schema/]],
  ['a misspelled key', { schema: [{ ...server, prot: 'udp' }] }, [/schema\[0\]/, /prot\b/, /proto/]],
  ['a misspelled top key', { schema: [server], netwrk: {} }, [/netwrk/, /network/]],
  ['port 0', { schema: [{ ...server, port: 0 }] }, [/schema\[0\]\.port/]],
  ['port 70000', { schema: [{ ...server, port: 70000 }] }, [/schema\[0\]\.port/, /65535/]],
  ['port "abc"', { schema: [{ ...server, port: 'abc' }] }, [/schema\[0\]\.port/]],
  ['port 1.5', { schema: [{ ...server, port: 1.5 }] }, [/schema\[0\]\.port/]],
  ['port -1', { schema: [{ ...server, port: -1 }] }, [/schema\[0\]\.port/]],
  ['a range backwards', { schema: [{ ...server, port: '9-5' }] }, [/schema\[0\]\.port/]],
  ['an unknown protocol', { schema: [{ ...server, proto: 'upd' }] }, [/schema\[0\]\.proto/, /udp/]],
  ['an unknown mode', { schema: [{ ...server, mode: 'sever' }] }, [/schema\[0\]\.mode/, /server/]],
  ['no mode', { schema: [{ port: 3000, proto: 'tcp' }] }, [/schema\[0\]\.mode/]],
  ['no public key', { schema: [{ ...client, publicKey: undefined }] }, [/schema\[0\]\.publicKey/]],
  [
    'a typo in base58',
    { schema: [{ ...client, publicKey: `0${KEY.slice(1)}` }] },
    [/schema\[0\]\.publicKey/]
  ],
  ['a short public key', { schema: [{ ...client, publicKey: KEY.slice(1) }] }, [/schema\[0\]\.publicKey/]],
  ['an empty secret', { schema: [{ ...server, secret: '' }] }, [/schema\[0\]\.secret/]],
  ['no secret', { schema: [{ ...server, secret: undefined }] }, [/schema\[0\]\.secret/]],
  ['one port map shared twice', { schema: [server, server] }, [/schema\[1\]/, /schema\[0\]|twice|already/]],
  [
    'two maps on one local port',
    { schema: [client, { ...client, port: 81 }].map(entry => ({ ...entry, localPort: 8080 })) },
    [/schema\[1\]\.localPort/, /8080/]
  ],
  [
    'several faults at once',
    {
      schema: [
        { ...server, port: 0 },
        { ...client, publicKey: 'x' },
        { ...server, proto: 'x' }
      ],
      netwrk: 1
    },
    [/schema\[0\]\.port/, /schema\[1\]\.publicKey/, /schema\[2\]\.proto/, /netwrk/]
  ],
  ['a bad bootstrap', { schema: [server], network: { bootstrap: ['here'] } }, [/network\.bootstrap/]]
]

for (const [what, options, wanted] of files) {
  staged(`options.json: ${what}`, async stage => {
    const written = writeOptions(options)
    stage.defer(() => written.remove())
    await refused(stage, ['-c', written.file], wanted)
  })
}

const lines: [string, string, RegExp[]][] = [
  ['lists of different lengths', `client -l 8080 -r 80,443 -k ${KEY}`, [/-l|local-port/, /-r|remote-port/]],
  ['more protocols than ports', 'server -p 3000 --protocol tcp,udp', [/protocol/]],
  ['an unknown protocol', 'server -p 3000 --protocol upd', [/protocol/, /udp/]],
  ['a port that is none', 'server -p abc', [/-p|port/, /abc/]],
  ['a port too high', 'server -p 70000', [/70000/, /65535/]],
  ['no port', 'server', [/-p|port/]],
  ['no public key', 'client -l 8080 -r 80', [/-k|public-key|publicKey/]],
  ['a wrong public key', `client -l 8080 -r 80 -k ${KEY}x`, [/-k|public-key|publicKey/]],
  ['an empty secret', 'server -p 3000 -s ', [/-s|secret/]],
  ['an unknown option', 'server -p 3000 --sceret x', [/sceret/]],
  ['an unknown command', 'sever -p 3000', [/sever/]],
  ['a bad bootstrap', 'server -p 3000 --bootstrap here', [/bootstrap/]]
]

for (const [what, line, wanted] of lines) {
  staged(`command line: ${what}`, async stage => {
    await refused(stage, line.split(' '), wanted)
  })
}

async function refused(stage: Stage, args: string[], wanted: RegExp[]): Promise<void> {
  const daemon = stage.start(args)
  const { code, stdout, stderr } = await daemon.end(10_000)
  assert.equal(code, 2, daemon.describe())
  for (const pattern of wanted) assert.match(stderr, pattern)
  assert.doesNotMatch(stderr, /^\s+at .*:\d+:\d+/m, 'a message, not a stack')
  assert.equal(stdout, '', 'nothing started')
}

staged('with --json a fault is an error event too', async stage => {
  const written = writeOptions({ schema: [{ ...server, port: 0 }] })
  stage.defer(() => written.remove())
  const daemon = stage.start(['-c', written.file, '--json'])
  const { code } = await daemon.end(10_000)
  assert.equal(code, 2)
  assert.deepEqual(daemon.strayLines, [])
  assert.deepEqual(
    daemon.events.map(e => e.event),
    ['error']
  )
})

staged('no options.json and no command: what to write, exit code 2', async stage => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  stage.defer(() => rmSync(folder, { recursive: true }))
  const daemon = stage.start([], { cwd: folder })
  const { code, stderr, stdout } = await daemon.end(10_000)
  assert.equal(code, 2)
  assert.match(stderr + stdout, /options\.json/)
  assert.match(stderr + stdout, /main\.js server/)
  assert.match(stderr + stdout, /"mode": "client"|hyper-nat client/)
})

staged('an options file that is not there', async stage => {
  const daemon = stage.start(['-c', join(tmpdir(), 'hyper-nat-no-such-file.json')])
  const { code, stderr } = await daemon.end(10_000)
  assert.equal(code, 2)
  assert.match(stderr, /hyper-nat-no-such-file\.json/)
})

for (const proto of ['tcp', 'udp']) {
  staged(`a local ${proto} port in use is named, with its entry: exit code 1`, async stage => {
    const taken = await stage.use<{ port: number; close(): unknown }>(
      proto === 'tcp' ? listenTcp(() => {}) : bindUdp(() => {})
    )
    const daemon = await stage.daemon([
      { ...client, proto, port: 81 },
      { ...client, proto, localPort: taken.port }
    ])
    const { code } = await daemon.end(10_000)
    assert.equal(code, 1)
    const error = await daemon.event('error')
    assert.equal(error.code, 'PORT_IN_USE')
    assert.match(error.message, new RegExp(`${taken.port}`))
    assert.match(error.message, /schema\[1\]/)
    assert.ok(!daemon.events.some(e => e.event === 'ready'))
  })
}

staged(
  'an address that this computer does not have is named where it was written: exit code 1',
  async stage => {
    // Of those that are kept for documentation (RFC 5737): nobody has it.
    const localHost = '192.0.2.5'
    const ticket = encodeTicket({ publicKey: decodeKey(KEY), maps: [{ proto: 'udp', port: 25565 }] })
    const runs: [daemon: HyperNat, place: string][] = [
      [
        await stage.daemon([
          { ...client, port: 81 },
          { ...client, localHost }
        ]),
        'schema\\[1\\]\\.localHost'
      ],
      [
        await stage.run(['client', '-l', '0', '-r', '80', '-k', KEY, '--local-host', localHost]),
        '--local-host'
      ],
      [await stage.run(['join', ticket, '--local-host', localHost]), '--local-host']
    ]
    for (const [daemon, place] of runs) {
      assert.equal((await daemon.end(10_000)).code, 1)
      const { code, message } = await daemon.event('error')
      assert.equal(code, 'ADDRESS_NOT_HERE')
      assert.match(message, new RegExp(`^${place}: 192\\.0\\.2\\.5 is not an address of this computer`))
    }
  }
)

staged('--version and --help', async stage => {
  const version = await stage.start(['--version']).end()
  assert.equal(version.code, 0)
  assert.match(version.stdout, /^\d+\.\d+\.\d+\s*$/)
  const help = await stage.start(['--help']).end()
  assert.equal(help.code, 0)
  for (const word of ['server', 'client', '--json']) assert.ok(help.stdout.includes(word), word)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  staged(
    `${signal} ends a daemon with exit code 0 within 3 s`,
    async stage => {
      const daemon = await stage.run(['server', '-p', '3000', '-s', secret])
      await daemon.event('ready')
      const from = performance.now()
      daemon.kill(signal)
      const { code } = await daemon.end(10_000)
      assert.equal(code, 0)
      assert.ok(performance.now() - from < 3_000)
    },
    { skip: process.platform === 'win32' ? 'no signals on Windows' : false }
  )
}

staged('stdout that cannot be opened is reported once, and ends the program', async stage => {
  const broken = `data:text/javascript,${encodeURIComponent(
    "Object.defineProperty(process, 'stdout', { get() { throw new Error('no stdout') } })"
  )}`
  const daemon = stage.start(['keygen'], { nodeArgs: ['--import', broken] })
  assert.equal((await daemon.end()).code, 1)
  assert.equal(daemon.stderr, 'error INTERNAL: Error: no stdout\n')
})
