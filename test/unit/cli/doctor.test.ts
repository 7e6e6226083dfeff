import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkText } from '../../../src/cli/doctor.js'
import { answerText, summaryText } from '../../../src/cli/ping.js'
import { runOnce, words } from './memory.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'

/** Command lines with mistakes, and all that is said of them. */
const REFUSED: readonly (readonly [line: string, expected: readonly RegExp[]])[] = [
  ['doctor -k abc', [/^ {2}-k: has 3 characters/m]],
  ['doctor -k', [/^ {2}-k: is empty/m]],
  ['doctor --bootstrap nowhere', [/^ {2}--bootstrap: has "nowhere", which is not host:port/m]],
  ['doctor -k abc --relay def --bootstrap x', [/-k: /, /--relay: has 3/, /--bootstrap: /]],
  ['doctor -p 80', [/-p: is unknown here; it belongs to hyper-nat host/]],
  ['ping', [/^ {2}-k: is missing/m]],
  [`ping -k ${KEY} -c 0 -i 0`, [/--count: is "0"/, /--interval: is "0"; give a number from 0.1 to 3600/]],
  ['ping -c many', [/--count: is "many"/, /-k: is missing/]],
  ['docter', [/did you mean "doctor"/]],
  ['diagnose', [/did you mean "doctor"/]]
]

for (const [line, expected] of REFUSED) {
  test(`refused: ${line}`, async () => {
    const { code, err, out } = await runOnce(words(line))
    assert.equal(code, 2, err)
    assert.equal(out, '')
    for (const pattern of expected) assert.match(err, pattern)
  })
}

test('a public key stands for the server as a ticket does', async () => {
  for (const [line, fault] of [
    [`ping ${KEY} -c 0`, '--count'],
    [`doctor ${KEY} --bootstrap nowhere`, '--bootstrap']
  ] as const) {
    const { events } = await runOnce([...words(line), '--json'])
    assert.deepEqual(
      events.map(({ event, path }) => [event, path]),
      [['error', fault]]
    )
  }
})

test('mistakes as JSON: one object for each', async () => {
  const { code, events, err } = await runOnce(['ping', '--json', '-k', 'abc', '-c', 'x'])
  assert.equal(code, 2)
  assert.equal(err, '')
  assert.deepEqual(
    events.map(({ event, code, path }) => [event, code, path]),
    [
      ['error', 'BAD_OPTIONS', '--count'],
      ['error', 'BAD_OPTIONS', '-k']
    ]
  )
})

test('help and completion know both commands', async () => {
  const { out } = await runOnce(['--help'])
  assert.match(out, /^ {2}doctor /m)
  assert.match(out, /^ {2}ping /m)
  for (const command of ['doctor', 'ping']) {
    const help = await runOnce([command, '--help'])
    assert.match(help.out, /-k, --public-key/)
    assert.match(help.out, /--relay/)
    assert.match(help.out, /--bootstrap/)
    assert.match(help.out, /--json/)
  }
  assert.match((await runOnce(['ping', '-h'])).out, /-c, --count(.|\n)*-i, --interval/)
  const offered = (await runOnce(['--get-yargs-completions', 'hyper-nat', ''])).out.split('\n')
  assert.ok(offered.includes('doctor') && offered.includes('ping'))
})

test('checks are wrapped to the terminal, what to do is set off', () => {
  const message = 'One two three four five six seven eight nine ten eleven twelve.'
  const check = { name: 'network', verdict: 'problem', message, advice: message } as const
  const lines = checkText(check, 50).split('\n')
  assert.equal(lines.pop(), '')
  assert.match(lines[0]!, /^PROBLEM {2}One two/)
  assert.ok(lines.some(line => /^ {9}-> One two/.test(line)))
  for (const line of lines) assert.ok(line.length <= 50, line)
  const flat = lines.map(line => line.replace(/^PROBLEM|^ +->/, '').trim()).join(' ')
  assert.equal(flat, `${message} ${message}`)
  assert.equal(checkText({ ...check, verdict: 'ok', advice: null }, 200), `ok       ${message}\n`)
})

test('a long word is not broken', () => {
  const word = 'x'.repeat(80)
  const check = { name: 'network', verdict: 'ok', message: `a ${word} b`, advice: null } as const
  assert.equal(checkText(check, 50), `ok       a\n         ${word}\n         b\n`)
})

test('pings are printed one a line, and why there is no connection once', () => {
  const say = answerText()
  const waiting = { code: 'SERVER_NOT_FOUND', message: 'Nobody there.' }
  const none = { rtt: null, path: null, host: null, waiting }
  const there = { path: 'direct', host: '3vQB7B6M', waiting: null } as const
  assert.equal(say({ seq: 1, ...none }), 'Nobody there.\nseq=1 no connection (SERVER_NOT_FOUND)\n')
  assert.equal(say({ seq: 2, ...none }), 'seq=2 no connection (SERVER_NOT_FOUND)\n')
  assert.equal(say({ seq: 3, rtt: 12.34, ...there }), 'seq=3 path=direct time=12.3 ms\n')
  assert.equal(say({ seq: 4, rtt: null, ...there, path: 'relayed' }), 'seq=4 path=relayed no answer\n')
  assert.equal(say({ seq: 5, ...none }), 'Nobody there.\nseq=5 no connection (SERVER_NOT_FOUND)\n')
  const other = { ...there, host: 'C2sVwN8h' }
  assert.equal(say({ seq: 6, rtt: 7, ...other }), 'seq=6 path=direct host=C2sVwN8h time=7.0 ms\n')
  assert.equal(say({ seq: 7, rtt: null, ...there }), 'seq=7 path=direct host=3vQB7B6M no answer\n')
})

test('the summary of pings', () => {
  const all = {
    publicKey: KEY,
    sent: 4,
    answered: 3,
    loss: 0.25,
    min: 1,
    mean: 2,
    max: 3,
    jitter: 0.5,
    path: 'lan'
  } as const
  assert.equal(
    summaryText(all, 'EPkmaN7v..'),
    '--- EPkmaN7v.. ---\n4 sent, 3 answered, 25 % lost, path lan\nround trip min/mean/max 1.0/2.0/3.0 ms, jitter 0.5 ms\n'
  )
  const none = { ...all, answered: 0, loss: 1, min: null, mean: null, max: null, jitter: null, path: null }
  assert.equal(summaryText(none, 'EPkmaN7v..'), '--- EPkmaN7v.. ---\n4 sent, 0 answered, 100 % lost\n')
})
