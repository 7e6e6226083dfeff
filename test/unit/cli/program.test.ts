import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groups } from '../../../src/cli/program.js'
import { describe } from '../options/describe.js'
import { runOnce, words } from './memory.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const at = '127.0.0.1'
const of = 'of EPkmaN7v..'

// Every command line of the README of 1.1.3, then what is new.
const LINES: [string, string[]][] = [
  ['hyper-nat server -p 3000 -s mysecret', [`-p 3000: server udp 3000 at ${at}`]],
  ['hyper-nat server -p 3000 --protocol tcpudp -s mysecret', [`-p 3000: server tcpudp 3000 at ${at}`]],
  [
    'hyper-nat server -p 3000,3001,3002 --protocol udp,tcp,tcpudp -s mysecret',
    [
      `-p 3000: server udp 3000 at ${at}`,
      `-p 3001: server tcp 3001 at ${at}`,
      `-p 3002: server tcpudp 3002 at ${at}`
    ]
  ],
  ['hyper-nat client -l 8080 -r 80 -k <publickey>', [`-l 8080: client udp 80 from ${at} 8080 ${of}`]],
  [
    'hyper-nat client -l 8080 -r 80 --protocol tcpudp -k <publickey>',
    [`-l 8080: client tcpudp 80 from ${at} 8080 ${of}`]
  ],
  [
    'hyper-nat client -l 8080,8081 -r 80,443 --protocol udp,tcpudp -k <publickey>',
    [`-l 8080: client udp 80 from ${at} 8080 ${of}`, `-l 8081: client tcpudp 443 from ${at} 8081 ${of}`]
  ],
  [
    'hyper-nat server -p 3000,3001,3002 --protocol udp,tcp,udp -s mysecret',
    [
      `-p 3000: server udp 3000 at ${at}`,
      `-p 3001: server tcp 3001 at ${at}`,
      `-p 3002: server udp 3002 at ${at}`
    ]
  ],
  [
    'hyper-nat server --port 1 --port 2 --proto tcp --secret x --host nas',
    ['-p 1: server tcp 1 at nas', '-p 2: server tcp 2 at nas']
  ],
  ['hyper-nat server -p3000 -s=mysecret', [`-p 3000: server udp 3000 at ${at}`]],
  ['hyper-nat server -p=3000 --secret=--dashes', [`-p 3000: server udp 3000 at ${at}`]],
  // What PowerShell makes of `-l 8080,8081` without quotes.
  [
    'hyper-nat client -l 8080 8081 -r 80 443 --protocol udp tcp -k <publickey>',
    [`-l 8080: client udp 80 from ${at} 8080 ${of}`, `-l 8081: client tcp 443 from ${at} 8081 ${of}`]
  ],
  [
    'hyper-nat client --local-port 0 --remote-port "80 81" --proto "tcp udp" --public-key <publickey> --local-host ::1',
    [`-r 80: client tcp 80 from ::1 0 ${of}`, `-r 81: client udp 81 from ::1 0 ${of}`]
  ]
]

for (const [line, expected] of LINES) {
  test(line, async () => {
    const { code, err, options, fake } = await runOnce(words(line.replace('<publickey>', KEY)).slice(1))
    assert.equal(code, 0, err)
    assert.ok(fake.started && fake.closed)
    assert.deepEqual(describe(options!), expected)
  })
}

for (const secret of ['0123', '1e5', '0x10', 'true', '-5', '12345678901234567890']) {
  test(`the secret ${secret} stays what was typed`, async () => {
    const { options } = await runOnce(['server', '-p', '1', '-s', secret])
    const [entry] = options!.entries
    assert.equal(entry?.mode === 'server' && entry.secret.reveal(), secret)
  })
}

test('a public key of digits stays text', async () => {
  const { code, err } = await runOnce(['client', '-r', '1', '-k', `${'0123456789'.repeat(6)}0123`])
  assert.equal(code, 2)
  assert.match(err, /-k: has the form of a public key but cannot be one/)
})

// [line, place and part of the message of each fault]
const REFUSED: [string, [string, RegExp][]][] = [
  ['sever -p 1', [['sever', /^is not a command; did you mean "server"\?/]]],
  ['conect', [['conect', /did you mean "connect"/]]],
  ['minecraft', [['minecraft', /it is a game: hyper-nat host minecraft$/]]],
  ['list', [['list', /"status" lists what runs, "games" lists the games/]]],
  ['server -p 80 -s x -P 81', [['-P', /^is unknown; did you mean -p\?/]]],
  [`client -r 80 -k ${KEY} --tcp`, [['--tcp', /^is unknown; did you mean --protocol tcp\?/]]],
  ['help frobnicate', [['frobnicate', /^is not a command/]]],
  ['connect', [['SERVER', /ticket/]]],
  [`connect ${KEY} 0`, [['PORT', /^is 0; give a whole number from 1 to 65535$/]]],
  [`connect ${KEY} 70000`, [['PORT', /^is 70000; give a whole number/]]],
  [`connect ${KEY} My game`, [['PORT', /^has several words; put a name with blanks in quotation marks$/]]],
  ['hnat1bbha56dr', [['hnat..', /it is a ticket: hyper-nat join, and then the ticket/]]],
  ['frobnicate', [['frobnicate', /^is not a command; hyper-nat help lists the commands$/]]],
  ['server -p 22 --tcp', [['--tcp', /^shares no port: .* write -p 22\/tcp$/]]],
  ['server --tcp 80 -s x', [['--tcp', /^shares no port: .* write -p 80\/tcp$/]]],
  ['server --tcp', [['--tcp', /^shares no port: .* write -p 22\/tcp$/]]],
  ['hlep', [['hlep', /^is not a command; did you mean "help"\?$/]]],
  ['verison', [['verison', /^is not a command; did you mean "version"\?$/]]],
  ['mincraft', [['mincraft', /^is not a command; did you mean "host minecraft"\?$/]]],
  ['server -p 1 -s x --only 1', [['--only', /^is unknown here; it belongs to hyper-nat join/]]],
  ['keygen foo', [['foo', /^unexpected argument$/]]],
  [
    'keygen -- -foo',
    [['-foo', /^unexpected argument; a value that starts with a dash is given as --flag=-value$/]]
  ],
  [
    'server 3000,3001-3003',
    [
      ['3000,3001-3003', /^unexpected argument; did you mean -p 3000,3001-3003\?$/],
      ['-p', /is missing/]
    ]
  ],
  ['my.json', [['my.json', /did you mean "-c my.json"\?/]]],
  ['server -p 1 -s x --prot tcp', [['--prot', /^is unknown; did you mean --protocol\?/]]],
  ['server -p 1 --secert x', [['--secert', /did you mean --secret\?/]]],
  ['server -p 1 -s x -k y', [['-k', /^is unknown here; it belongs to hyper-nat client/]]],
  ['server -p 1 -s x --frobnicate', [['--frobnicate', /^is unknown; hyper-nat server --help lists/]]],
  ['server -p 1 -s x --no-json', [['--no-json', /^is unknown/]]],
  ['server -p 1 -s x --private=yes', [['--private', /^is "yes"; give true or false, or the flag alone$/]]],
  ['server -p 1 -s x --private --private=', [['--private', /^is ""; give true or false/]]],
  ['status -w=1', [['-w', /^is "1"; give true or false/]]],
  ['ui -c ""', [['-c', /^is empty; it is the name of a file$/]]],
  ['id --identity=', [['--identity', /^is empty; it is the name of a file$/]]],
  ['server -p 1 -s x -s y', [['-s', /^is given 2 times; give it once/]]],
  ['server -p 1 -s x foo', [['foo', /^unexpected argument/]]],
  [
    'server -p 1 -s x -- foo bar',
    [
      ['foo', /^unexpected argument/],
      ['bar', /^belongs/]
    ]
  ],
  ['server -p 1 -s', [['-s', /^is empty/]]],
  ['server -p 1 -s x --secret-file y', [['--secret-file', /^cannot be combined with -s; give one/]]],
  ['server -p 1 --secret-file nowhere.txt', [['--secret-file', /^names nowhere.txt, which does not exist/]]],
  ['server -p -s x', [['-p', /^is empty/]]],
  [`client -r 1 -k ${KEY} -p 1`, [['-p', /^is unknown here; it belongs to hyper-nat host/]]],
  [
    'client',
    [
      ['-r', /^is missing/],
      ['-k', /^is missing/]
    ]
  ],
  [
    'server -p 70000 -s x --prtocol tcp',
    [
      ['--prtocol', /did you mean --protocol/],
      ['-p', /has "70000"/]
    ]
  ]
]

for (const [line, expected] of REFUSED) {
  test(`refused: ${line}`, async () => {
    const plain = await runOnce(words(line))
    assert.equal(plain.code, 2)
    assert.equal(plain.fake.started, false)
    assert.equal(plain.out, '')
    for (const [path] of expected) assert.ok(plain.err.includes(`\n  ${path}: `), plain.err)

    const { code, events, err } = await runOnce([...words(line.replace(' --', ' --json --')), '--json'])
    if (line.includes(' -- ')) return
    assert.equal(code, 2)
    assert.equal(err, '')
    assert.equal(events.length, expected.length, JSON.stringify(events))
    for (const [path, message] of expected) {
      const event = events.find(event => event.path === path)
      assert.match(String(event?.message), message)
      assert.equal(event?.event, 'error')
      assert.match(String(event?.code), /^BAD_(USAGE|OPTIONS)$/)
    }
  })
}

test('help, version and completion are text on stdout', async () => {
  const help = await runOnce(['--help'])
  assert.equal(help.code, 0)
  assert.match(help.out, /^ {2}hyper-nat host minecraft {2}/m)
  for (const { title, commands } of groups) {
    assert.match(help.out, new RegExp(`^${title}:$`, 'm'))
    for (const { name } of commands) assert.match(help.out, new RegExp(`^  ${name} {2,}\\S`, 'm'))
  }
  assert.ok(help.out.split('\n').every(line => line.length <= 100))
  for (const args of [['-h'], ['help']]) assert.equal((await runOnce(args)).out, help.out)
  assert.equal((await runOnce(['help', 'join'])).out, (await runOnce(['join', '--help'])).out)
  assert.match((await runOnce(['help', 'flags'])).out, /--config.*\n(.*\n)*.*--bootstrap/)
  const version = (await runOnce(['--version'])).out
  for (const args of [['version'], ['-V'], ['version', '--json'], ['-V', '-v']])
    assert.equal((await runOnce(args)).out, version)
  assert.match((await runOnce(['client', '-h'])).out, /--remote-port.*\n(.*\n)*.*--protocol, --proto/)
  assert.match((await runOnce(['server', '--help'])).out, /--secret-file/)
  assert.match((await runOnce(['--version'])).out, /^\d+\.\d+\.\d+\S*\n$/)
  assert.match((await runOnce(['completion'])).out, /hyper-nat --get-yargs-completions/)
  assert.match(
    (await runOnce(['completion', 'tcsh'])).err,
    /SHELL: is "tcsh"; give bash, zsh, fish or powershell/
  )
  const words = (await runOnce(['--get-yargs-completions', 'hyper-nat', ''])).out.split('\n')
  assert.ok(
    words.includes('server') && words.includes('completion') && !words.some(word => word.startsWith('$0'))
  )
  for (const { out, err } of [help]) assert.match(out + err, /^[\x20-\x7e\n]+$/)
})
