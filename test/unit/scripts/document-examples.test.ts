// Commands and JSON in the documents are taken as they stand there.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseArguments } from '../../../src/cli/program.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { parseOptions } from '../../../src/options/file.js'
import { addFriend } from '../../../src/options/friends.js'
import { Memory, words } from '../cli/memory.js'
import { root } from '../root.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const TICKET = encodeTicket({
  publicKey: decodeKey(KEY),
  maps: [
    { proto: 'tcp', port: 25_565, name: 'minecraft' },
    { proto: 'udp', port: 27_015 }
  ]
})

/** What a reader puts in place of a word. */
const STANDS_FOR: readonly (readonly [pattern: RegExp, value: string])[] = [
  [/\bhnat1\.{2,3}|\bTICKET\b(?!\|)/g, TICKET],
  [/<publickey>|<key of the relay>|\bKEY\b/g, KEY],
  [/\bNUMBER\b/g, '4711'],
  [/\bGAME\b/g, 'minecraft'],
  [/<[\w ]+>/g, 'word']
]

/** A command with what it is behind: a path, `sudo`, a pipe. */
const COMMAND = /^(?:[\w .]+\| )?(?:sudo |npx )?(?:\.\/|\S+\/)?hyper-nat( .*)?$/

/** They change the guests of an options file, who are others in each example, or start what is not here. */
const NOT_COLLECTED = new Set(['revoke', 'block', 'unblock', 'invite', 'service', 'learn'])

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`)
]

const read = (path: string): string => readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n')

function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n(.*?)^ *```/gms)].flatMap(([, block = '']) => block.split('\n'))
  const inline = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  return [...blocks, ...inline].flatMap(line => {
    const [, args] =
      COMMAND.exec(
        line
          .trim()
          .replace(/ +(#|&&|>) .*$/, '')
          .replaceAll('\\|', '|')
      ) ?? []
    // A heading has words that stand for others.
    return args === undefined || /\[\w+(\.\.)?\]/.test(args) ? [] : [args.trim()]
  })
}

const before = process.cwd()
const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-documents-'))
process.chdir(folder)
writeFileSync(
  'options.json',
  JSON.stringify({ schema: [{ mode: 'server', port: 1, secret: 'qm4jzr8tk3ow9yxa5hbdnc6e' }] }),
  {
    mode: 0o600
  }
)
after(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

let tried = 0
for (const path of documents) {
  test(`the commands in ${path} are taken as they stand there`, async () => {
    await addFriend('bob', TICKET, true)
    for (const line of new Set(commandsIn(read(path)))) {
      const filled = STANDS_FOR.reduce((text, [pattern, value]) => text.replaceAll(pattern, value), line)
      const invocation = await parseArguments(words(filled))
      tried++
      if (invocation.kind === 'text') continue
      const { command, args, faults } = invocation
      assert.deepEqual(faults, [], `hyper-nat ${line}`)
      // A word alone names the command.
      if (NOT_COLLECTED.has(command.name) || !line.includes(' ')) continue
      await command.job(args, new Memory()).catch(err => assert.fail(`hyper-nat ${line}: ${err.message}`))
    }
  })
}

test('the documents have many commands', () => assert.ok(tried > 100, `${tried}`))

test('JSON in the documents is accepted as written', () => {
  let blocks = 0
  for (const path of documents)
    for (const [, block = ''] of read(path).matchAll(/^ *```json\n(.*?)^ *```/gms)) {
      const filled = block.replaceAll(/"<[\w ]+>"|"\.\."/g, `"${KEY}"`).replace('[ .. ]', '[]')
      // Some show one key of the file.
      const text = filled.trim().startsWith('{') ? filled : `{ "schema": [], ${filled} }`
      try {
        parseOptions(text)
      } catch (err) {
        assert.fail(`${path}: ${(err as Error).message}\n${block}`)
      }
      blocks++
    }
  assert.ok(blocks >= 5)
})
