import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { ticketIn } from '../../../src/options/pasted-ticket.js'

const { publicKey } = keyPairOf(new Secret('a friend'))
const TICKET = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 25565, name: 'Friday' }] })
const [first, second] = [TICKET.slice(0, 30), TICKET.slice(30)]

for (const [what, text] of [
  ['alone', TICKET],
  ['words around it', `Join me with hyper-nat join ${TICKET} see you at eight`],
  ['punctuation behind it', `Here: "${TICKET}". See you!`],
  ['broken by a line break', `${first}\n${second}\nsee you`],
  ['broken, with punctuation', `(${first} ${second})`],
  ['behind how tickets begin', `My ticket (it begins with hnat1): ${TICKET}`],
  ['behind one that was cut off', `${first} was cut off, this one is whole: ${TICKET}`],
  ['in a quoted message', `> ${first}\n> ${second}\n> see you`],
  [
    'with characters that show nothing',
    `\u2068${first}\u200b${second.slice(0, 9)}\u00ad${second.slice(9)}\u2069`
  ]
] as const)
  test(`a ticket in a message: ${what}`, () => assert.equal(ticketIn(text), TICKET))

test('a long text of dots is searched at once', () => {
  const text = `hnat1 ${'.'.repeat(100_000)}a`
  const start = performance.now()
  assert.equal(ticketIn(text), text)
  // Each dot with all behind it would take 7 s.
  assert.ok(performance.now() - start < 1000)
})

test('without a good ticket the text stays, from where a ticket begins', () => {
  assert.equal(ticketIn('see you'), 'see you')
  assert.equal(ticketIn(`take ${first} now`), `${first} now`)
  const wrong = TICKET.replace(/.$/, last => (last === 'y' ? 'z' : 'y'))
  assert.equal(ticketIn(`take ${wrong}`), wrong)
})
