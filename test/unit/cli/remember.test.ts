// `hyper-nat join` keeps a server as a friend: by a flag, or as the user answers at a terminal.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { beforeEach, test } from 'node:test'
import { rememberer } from '../../../src/cli/remember.js'
import { run } from '../../../src/cli/run.js'
import { encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { decodeTicket, encodeTicket } from '../../../src/identity/ticket.js'
import { addFriend, friendsFile, readFriends } from '../../../src/options/friends.js'
import { until } from '../../support/deadline.js'
import { Memory, runOnce } from './memory.js'

const ticketOf = (secret: string): string =>
  encodeTicket({ publicKey: keyPairOf(new Secret(secret)).publicKey, maps: [{ proto: 'tcp', port: 25565 }] })
const BOB = ticketOf('bob')
const EVE = ticketOf('eve')
const keyOf = (ticket: string): string => encodeKey(decodeTicket(ticket).publicKey)

beforeEach(() => rmSync(friendsFile(), { force: true }))

/** Joins until the ports are open and the friend is kept, if one is, at a terminal where these answers are typed. */
async function joins(argv: readonly string[], isKept: boolean, answers?: readonly string[]) {
  const asked: string[] = []
  const left = [...(answers ?? [])]
  const memory = new Memory()
  if (answers) {
    Object.assign(memory, {
      ask: async (question: string) => {
        asked.push(question)
        return left.shift() ?? ''
      }
    })
  }
  const { fake } = memory
  fake.onStart = async () => {
    const maps = [{ proto: 'tcp' as const, port: 25565, localHost: '127.0.0.1', localPort: 25565 }]
    // Ports are told again when something changes.
    for (let i = 0; i < 2; i++) fake.tell({ event: 'ready', mode: 'client', publicKey: '', maps })
  }
  const code = run(['join', '--anonymous', ...argv], memory)
  await until(20_000, 'the start, and what is kept', () =>
    isKept ? memory.out.includes('Remembered') : memory.fake.started
  )
  memory.stop()
  return { code: await code, out: memory.out, err: memory.err, asked, left }
}

const friends = async () => (await readFriends()).map(({ name, publicKey }) => `${name} ${publicKey}`)

test('--remember gives a name, once the ports are open, and asks nothing', async () => {
  const { code, out, err, asked } = await joins([BOB, '--remember', 'bob'], true, ['no'])
  assert.equal(code, 0, err)
  assert.deepEqual(await friends(), [`bob ${keyOf(BOB)}`])
  assert.equal(out.match(/Remembered as bob. Next time: hyper-nat join bob\n/g)?.length, 1)
  assert.deepEqual(asked, [])
})

test('a name of another server needs --replace, and nothing is started without', async () => {
  await addFriend('bob', EVE)
  const refused = await runOnce(['join', BOB, '--anonymous', '--remember', 'Bob'])
  assert.equal(refused.code, 2)
  assert.match(refused.err, /--remember: "bob" is another server.*--replace/)
  assert.ok(!refused.fake.started)
  assert.equal((await joins([BOB, '--remember', 'bob', '--replace'], true)).code, 0)
  assert.deepEqual(await friends(), [`bob ${keyOf(BOB)}`])
})

test('what cannot be a name, and --replace alone, are faults of the command line', async () => {
  for (const [words, message] of [
    [['--remember', '22'], /--remember: "22" is a number/],
    [['--remember', 'a b'], /--remember: "a b" has a blank/],
    [['--replace'], /--replace: only works with --remember/]
  ] as const) {
    const { code, err } = await runOnce(['join', BOB, '--anonymous', ...words])
    assert.equal(code, 2)
    assert.match(err, message)
  }
})

test('at a terminal, a name is asked for; Enter is no', async () => {
  const none = await joins([BOB], false, [''])
  assert.match(none.asked.join(), /Name this server to join it by name/)
  assert.deepEqual([none.code, await friends()], [0, []])
  const named = await joins([BOB], true, ['22', ' bob '])
  assert.match(named.asked[1]!, /"22" is a number.*Another name/)
  assert.deepEqual([named.code, await friends()], [0, [`bob ${keyOf(BOB)}`]])
  const again = await joins([BOB], false, ['unasked'])
  assert.deepEqual([again.asked, again.left], [[], ['unasked']])
})

test('at a terminal, a name of another server is asked about', async () => {
  await addFriend('bob', EVE)
  const kept = await rememberer(decodeTicket(BOB), {}, withAnswers('bob', 'n', ''))
  assert.equal(kept, undefined)
  const replaced = await rememberer(decodeTicket(BOB), {}, withAnswers('bob', 'y'))
  assert.match((await replaced?.()) ?? '', /Remembered as bob/)
  assert.deepEqual(await friends(), [`bob ${keyOf(BOB)}`])
})

test('without a terminal, with --json, --quiet or --yes, nothing is asked', async () => {
  assert.equal(await rememberer(decodeTicket(BOB), {}, new Memory()), undefined)
  for (const flag of ['json', 'quiet', 'yes'])
    assert.equal(await rememberer(decodeTicket(BOB), { [flag]: true }, withAnswers()), undefined, flag)
})

function withAnswers(...answers: string[]): Memory {
  const ask = async (question: string): Promise<string> => {
    const answer = answers.shift()
    assert.ok(answer !== undefined, `asked: ${question}`)
    return answer
  }
  return Object.assign(new Memory(), { ask })
}
