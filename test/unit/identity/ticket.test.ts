import assert from 'node:assert/strict'
import { test } from 'node:test'
import z32 from 'z32'
import { HyperNatError } from '../../../src/errors.js'
import { checkSymbols } from '../../../src/identity/checksum.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import { decodeTicket, encodeTicket, type Ticket, ticketName } from '../../../src/identity/ticket.js'

const KEY = decodeKey('EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA')
const OTHER_KEY = decodeKey('DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w')

/** [what, the ticket, its text]: what was once given to friends must be read for ever. */
const VECTORS: [string, Ticket, string][] = [
  [
    'one port',
    { publicKey: KEY, maps: [{ proto: 'tcp', port: 25565 }] },
    'hnat1bbha56dr7ngbboiti95srcfufe1p6wmokd8x8jhtb1ien83xeekw7uoyyancxqo3xkefg'
  ],
  [
    'a name',
    { publicKey: KEY, maps: [{ proto: 'tcp', port: 25565, name: 'Minecraft' }] },
    'hnat1bnca56dr7ngbboiti95srcfufe1p6wmokd8x8jhtb1ien83xeekw7uoyde1cxqo1umjp31sghubc34ysbpukw'
  ],
  [
    'ranges, several protocols, names outside ASCII',
    {
      publicKey: OTHER_KEY,
      maps: [
        { proto: 'udp', port: 27015 },
        { proto: 'tcp', port: 27015 },
        { proto: 'udp', port: 27016 },
        { proto: 'tcp', port: 27016 },
        { proto: 'tcpudp', port: 22, name: 'Küche' }
      ]
    },
    'hnat1bnps4ngodyas96gjxw3xber34yn1horm3611o7w5fyfxyeacznektwyydompgdonfyynadrzo7hcpwgkukopwh'
  ],
  [
    'what games need of their ports',
    {
      publicKey: KEY,
      maps: [
        { proto: 'udp', port: 1, name: 'a' },
        { proto: 'tcp', port: 2, name: 'b', guestPorts: 'same' },
        { proto: 'tcp', port: 3, name: 'b', guestPorts: 'same' },
        { proto: 'udp', port: 4, guestPorts: 'together' },
        { proto: 'udp', port: 5, name: 'c' }
      ]
    },
    'hnat1bn7a56dr7ngbboiti95srcfufe1p6wmokd8x8jhtb1ien83xeekw7uoyratyyyonae4yybynymnyryyereyywysgbedyybyn5rm5em'
  ],
  [
    'everything',
    {
      publicKey: KEY,
      maps: [{ proto: 'udp', port: 1 }],
      relays: [OTHER_KEY],
      bootstrap: ['203.0.113.7:49737', '198.51.100.1@dht.example.org:1'],
      invite: new Uint8Array(32).fill(0xa5)
    },
    'hnat1b8ea56dr7ngbboiti95srcfufe1p6wmokd8x8jhtb1ien83xeekw7uoyyabyyyonefsotwyagfz9t1m7gmakbgqoywzrbn6xwww8pg3ebmangdfa1nwpybncygmybaoxo1jdaau1qbqgwa1hcjogyzdnodrpb4nh3macfszy5dff3zzr334grnnbjpfws14mjpfws14mjpfws14mjpfws14mjpfws14mjpfws14mjpfsyd5jw'
  ]
]

for (const [what, ticket, text] of VECTORS) {
  test(`a ticket with ${what}`, () => {
    assert.equal(encodeTicket(ticket), text)
    assert.deepEqual(decodeTicket(text), plain(ticket))
  })
}

/** Keys as they come back: bytes of no special kind. */
function plain(ticket: Ticket): Ticket {
  return {
    ...ticket,
    publicKey: Uint8Array.from(ticket.publicKey),
    ...(ticket.relays && { relays: ticket.relays.map(key => Uint8Array.from(key)) })
  }
}

const [ONE, , , , ALL] = VECTORS.map(([, , text]) => text) as [string, string, string, string, string]

test('one port without a name fits on a line', () => assert.equal(ONE.length, 74))

/** The code and message with which a text is refused. */
function refusal(text: string): { code: string; message: string } {
  try {
    decodeTicket(text)
  } catch (err) {
    assert.ok(err instanceof HyperNatError, String(err))
    assert.match(err.message, /^[\x20-\x7e]+$/)
    return { code: err.code, message: err.message }
  }
  assert.fail(`${text} was taken for a ticket`)
}

const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
const FOREIGN = ['\t', '\n', '\0', '\u00a0', '\u0430', '\u2019', '\u{1f600}', '\ud800']

for (const [what, , text] of VECTORS) {
  test(`every single wrong character is caught: ${what}`, () => {
    let tried = 0
    for (let at = 0; at < text.length; at++) {
      for (const char of [...PRINTABLE, ...FOREIGN]) {
        if (char.toLowerCase() === text[at]) continue
        const { code, message } = refusal(text.slice(0, at) + char + text.slice(at + 1))
        // A blank in place of a character leaves one too few.
        if (/\s/.test(char)) {
          assert.match(code, /^(TICKET_CUT|TICKET_MISTYPED|BAD_TICKET)$/)
          continue
        }
        assert.equal(code, 'TICKET_MISTYPED', message)
        if (at >= 5) assert.match(message, new RegExp(` position ${at + 1}\\b`))
        tried++
      }
    }
    // 95 that print and 8 that no alphabet has, without four blanks and the right one in either case.
    assert.ok(tried >= 97 * text.length)
  })

  test(`every two characters that change places are caught: ${what}`, () => {
    let tried = 0
    for (let at = 0; at < text.length; at++) {
      for (let other = at + 1; other < text.length; other++) {
        if (text[at] === text[other]) continue
        const chars = [...text]
        ;[chars[at], chars[other]] = [chars[other]!, chars[at]!]
        const { code, message } = refusal(chars.join(''))
        // Far apart, with one of them in what all tickets begin with, it is no longer known for one.
        if (other === at + 1) assert.equal(code, 'TICKET_MISTYPED', message)
        tried++
      }
    }
    assert.ok(tried > text.length)
  })

  test(`a ticket that is cut anywhere says so: ${what}`, () => {
    for (let size = 1; size < text.length; size++) {
      const { code, message } = refusal(text.slice(0, size))
      assert.equal(code, 'TICKET_CUT', message)
    }
    assert.match(
      refusal(text.slice(0, -3)).message,
      /is cut off: 3 characters are missing, probably at its end/
    )
    for (const lost of [1, 2, 3, 4, 5])
      assert.match(refusal(text.slice(lost)).message, /its beginning is missing/)
    assert.equal(refusal(text.slice(9)).code, 'BAD_TICKET')
  })
}

test('case does not matter, nor do blanks and line breaks from chat programs', () => {
  const ticket = decodeTicket(ALL)
  for (const text of [
    ALL.toUpperCase(),
    ` ${ALL}\r\n`,
    [...ALL].join('\n'),
    [...ALL].join(' '),
    ALL.replace(/.{20}/g, '$&\u200b\u00ad'),
    `\ufeff${ALL.slice(0, 3)}\u00a0${ALL.slice(3)}`
  ]) {
    assert.deepEqual(decodeTicket(text), ticket)
  }
})

test('what was copied with a ticket does no harm', () => {
  const ticket = decodeTicket(ALL)
  for (const text of [
    `"${ALL}"`,
    `\u201c${ALL}\u201d`,
    `'${ALL}'`,
    `<${ALL}>`,
    `\`\`\`\nhyper-nat join ${ALL}\n\`\`\``,
    `$ npx hyper-nat join ${ALL.toUpperCase()}`,
    `My ticket: ${ALL}.`
  ]) {
    assert.deepEqual(decodeTicket(text), ticket)
  }
  assert.equal(refusal(`"${ALL.slice(0, -3)}`).code, 'TICKET_CUT')
  assert.match(refusal(`"${ONE.slice(0, -1)}"`).message, /invalid character """ at position 74/)
  assert.match(refusal(`"hnat1b0${ONE.slice(7)}"`).message, /"0" at position 7/)
})

test('too much is not taken for too little', () => {
  assert.deepEqual(refusal(`${ONE}y`).code, 'TICKET_MISTYPED')
  assert.match(refusal(`${ONE}${ONE}`).message, /has 74 characters too many|has "l"/)
  assert.match(refusal(ONE.repeat(20)).message, /too many|too long/)
  assert.match(refusal(ONE + ' '.repeat(20_000)).message, /too long/)
})

test('what is no ticket', () => {
  for (const text of [
    '',
    '  ',
    'hello',
    '<ticket>',
    'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA',
    'hyper-nat join'
  ]) {
    assert.equal(refusal(text).code, 'BAD_TICKET')
  }
  assert.match(
    refusal(' EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA').message,
    /is a public key, .*hyper-nat client -k/
  )
  assert.equal(refusal('hnat1').code, 'TICKET_CUT')
  assert.equal(refusal('hn').code, 'TICKET_CUT')
})

test('characters that look alike are named', () => {
  assert.match(refusal(`hnat1b0${ONE.slice(7)}`).message, /"0" at position 7; it is probably "o"/)
  assert.match(refusal(`hnat1bv${ONE.slice(7)}`).message, /"v" at position 7; it is probably "u"/)
})

/** A ticket of any body, version and declared length, its checksum right. */
function sealed(body: Uint8Array | string, version = 1, length?: number): string {
  const text = typeof body === 'string' ? body : z32.encode(Buffer.from(body))
  const declared = length ?? text.length
  const symbols = [
    version,
    declared >> 5,
    declared & 31,
    ...[...text].map(char => z32.ALPHABET.indexOf(char))
  ]
  return `hnat1${[...symbols, ...checkSymbols(symbols)].map(value => z32.ALPHABET[value]).join('')}`
}

const MAP = [0, 3, 2, 0, 80]

test('newer tickets are distinguished from mistyped ones', () => {
  const body = Uint8Array.from([...KEY, ...MAP])
  assert.deepEqual(decodeTicket(sealed(body)).maps, [{ proto: 'tcp', port: 80 }])
  for (const text of [
    sealed(body, 2),
    sealed('', 31),
    sealed(Uint8Array.from([...KEY, ...MAP, 6, 1, 0])),
    sealed(Uint8Array.from([...KEY, 0, 3, 0x22, 0, 80])),
    `hnat2${'y'.repeat(70)}`
  ]) {
    const { code, message } = refusal(text)
    assert.equal(code, 'TICKET_VERSION', message)
    assert.match(message, /update it$/)
  }
})

test('a part that may be passed over is', () => {
  for (const part of [
    [7, 2, 9, 9],
    [5, 1, 9]
  ]) {
    assert.deepEqual(decodeTicket(sealed(Uint8Array.from([...KEY, ...MAP, ...part]))), {
      publicKey: Uint8Array.from(KEY),
      maps: [{ proto: 'tcp', port: 80 }]
    })
  }
})

test('addresses of relays by TCP are held, in a part that older programs pass over', () => {
  const addresses = ['wss://relay.example/hn#token', 'ws://203.0.113.7:8080']
  const ticket = { publicKey: KEY, maps: [{ proto: 'tcp' as const, port: 25_565 }], addresses }
  const text = encodeTicket(ticket)
  assert.deepEqual(decodeTicket(text), ticket)
  // The part has an odd number: see "a part that may be passed over is".
  const body = z32.decode(text.slice('hnat1'.length + 3, -6))
  assert.equal(body[32 + 2 + 3], 3)
  for (const wrong of [
    ['http://relay.example'],
    ['wss://u:p@relay.example'],
    ['relay.example'],
    [...addresses, ...addresses, 'ws://a']
  ]) {
    assert.throws(() => encodeTicket({ ...ticket, addresses: wrong }), { code: 'BAD_TICKET' }, wrong.join())
  }
})

const WRONG: [string, number[]][] = [
  ['an address that is none', [...KEY, ...MAP, 3, 5, 4, 0x68, 0x74, 0x74, 0x70]],
  ['an address that is cut short', [...KEY, ...MAP, 3, 3, 9, 0x77, 0x73]],
  ['no maps', [...KEY]],
  ['an empty list of maps', [...KEY, 0, 0]],
  ['half a key', [...KEY.slice(0, 16)]],
  ['a key that is no point', [...new Array(32).fill(0), ...MAP]],
  ['a map of no protocol', [...KEY, 0, 3, 0, 0, 80]],
  ['port 0', [...KEY, 0, 3, 2, 0, 0]],
  ['a range beyond the last port', [...KEY, 0, 4, 10, 255, 255, 1]],
  ['a range without end', [...KEY, 0, 12, 10, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255]],
  ['more ports than anybody shares', [...KEY, 0, 6, 10, 0, 1, 0xff, 0xff, 0x03]],
  ['a map cut short', [...KEY, 0, 2, 2, 0]],
  ['a field longer than the rest', [...KEY, 0, 9, 2, 0, 80]],
  ['the same port twice', [...KEY, 0, 6, 2, 0, 80, 3, 0, 80]],
  ['fields in the wrong order', [...KEY, 4, 1, 1, ...MAP]],
  ['a field twice', [...KEY, ...MAP, ...MAP]],
  ['an empty name', [...KEY, 0, 4, 18, 0, 80, 0]],
  ['a name that moves the cursor', [...KEY, 0, 6, 18, 0, 80, 2, 0x1b, 0x5b]],
  ['a name that is no UTF-8', [...KEY, 0, 5, 18, 0, 80, 1, 0xff]],
  ['a name that is too long', [...KEY, 0, 69, 18, 0, 80, 65, ...new Array(65).fill(0x61)]],
  ['needs of more names than there are', [...KEY, ...MAP, 3, 2, 1, 2]],
  ['no relays in a list of them', [...KEY, ...MAP, 1, 0]],
  ['five relays', [...KEY, ...MAP, 1, 160, 1, ...[0, 0, 0, 0, 0].flatMap(() => [...KEY])]],
  ['a relay that is no point', [...KEY, ...MAP, 1, 32, ...new Array(32).fill(1)]],
  ['a node that is none', [...KEY, ...MAP, 2, 4, 3, 0x61, 0x3a, 0x30]],
  ['a node of blanks', [...KEY, ...MAP, 2, 5, 4, 0x20, 0x3a, 0x31, 0x31]],
  ['a node with port 0', [...KEY, ...MAP, 2, 7, 0, 127, 0, 0, 1, 0, 0]],
  ['an empty invite', [...KEY, ...MAP, 4, 0]],
  ['an invite that is too long', [...KEY, ...MAP, 4, 65, ...new Array(65).fill(0)]]
]

for (const [what, bytes] of WRONG) {
  test(`a writer's mistake: ${what}`, () => {
    const { code, message } = refusal(sealed(Uint8Array.from(bytes)))
    assert.equal(code, 'BAD_TICKET', message)
  })
}

test('bits left over and lengths that are wrong', () => {
  const text = z32.encode(Buffer.from([...KEY, ...MAP]))
  assert.equal(refusal(sealed(text, 1, 59)).code, 'BAD_TICKET')
  assert.equal(
    refusal(sealed(`${z32.encode(Buffer.from([...KEY, ...MAP, 3, 0]))}`.slice(0, -1))).code,
    'BAD_TICKET'
  )
})

test('what cannot be in a ticket is refused when it is written', () => {
  const map = { proto: 'tcp', port: 80 } as const
  const wrong: Ticket[] = [
    { publicKey: KEY, maps: [] },
    { publicKey: KEY.subarray(1), maps: [map] },
    { publicKey: new Uint8Array(32), maps: [map] },
    { publicKey: KEY, maps: [map, map] },
    { publicKey: KEY, maps: [{ ...map, port: 0 }] },
    { publicKey: KEY, maps: [{ ...map, port: 1.5 }] },
    { publicKey: KEY, maps: [{ ...map, name: '' }] },
    { publicKey: KEY, maps: [{ ...map, name: 'a\nb' }] },
    { publicKey: KEY, maps: [map], bootstrap: ['here'] },
    { publicKey: KEY, maps: [map], relays: [KEY, KEY, KEY, KEY, KEY] },
    { publicKey: KEY, maps: [map], invite: new Uint8Array() }
  ]
  for (const ticket of wrong) {
    assert.throws(() => encodeTicket(ticket), { code: 'BAD_TICKET' })
  }
  const many = Array.from({ length: 300 }, (_, i) => ({ ...map, port: 1 + 2 * i }))
  assert.throws(() => encodeTicket({ publicKey: KEY, maps: many }), { code: 'TICKET_TOO_LONG' })
})

test('names are made to fit', () => {
  assert.equal(ticketName('  Minecraft at home '), 'Minecraft at home')
  assert.equal(ticketName('two\r\nlines\u001b[31m\u202e'), 'two lines [31m')
  assert.equal(ticketName('\u0000\u200b'), undefined)
  assert.equal(ticketName('\ud800'), undefined)
  assert.equal(ticketName('\u00fc'.repeat(40)), '\u00fc'.repeat(32))
  for (const name of [`${'a'.repeat(63)}\u00fc`, 'x '.repeat(40)]) {
    const fitting = ticketName(name)!
    assert.ok(Buffer.byteLength(fitting) <= 64)
    assert.equal(ticketName(fitting), fitting)
  }
})
