// Recipes from running programs.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseRecipe } from '../../../src/games/games.js'
import { learnedRecipe, saveRecipe } from '../../../src/games/learned.js'
import { openPorts, portsAmong } from '../../../src/programs/open-ports.js'

const tcp = (port: number, ephemeral = false) => ({ proto: 'tcp' as const, port, ephemeral })
const udp = (port: number, ephemeral = false) => ({ proto: 'udp' as const, port, ephemeral })

test("a client's own UDP port is optional, unless there is nothing else", () => {
  const recipe = learnedRecipe(
    { name: 'java', ports: [udp(45_000, true), tcp(40_000, true), udp(19_132)] },
    'My Game!'
  )
  assert.equal(recipe.id, 'my-game')
  assert.deepEqual(
    recipe.ports.map(({ proto, port, optional = false }) => [proto, port, optional]),
    [
      ['tcp', 40_000, false],
      ['udp', 19_132, false],
      ['udp', 45_000, true]
    ]
  )
  assert.equal(learnedRecipe({ name: 'factorio', ports: [udp(34_197, true)] }).ports[0]!.optional, undefined)
})

test('a program without ports, with too many, or without a name has no recipe', () => {
  assert.throws(() => learnedRecipe({ name: 'cat', ports: [] }), { code: 'NO_PORTS' })
  // As a server whose settings name the address of this computer in its LAN.
  const lan = { proto: 'tcp', address: '192.168.7.2', port: 25_565, pid: 7, program: 'java' } as const
  const elsewhere = portsAmong(7, [lan], new Map([[7, { parent: 1, name: 'java' }]]))
  assert.throws(() => learnedRecipe(elsewhere), {
    code: 'NO_PORTS',
    message: /^java has no port open at 127\.0\.0\.1: .* on all addresses/
  })
  const many = Array.from({ length: 65 }, (_, i) => tcp(1000 + i))
  assert.throws(() => learnedRecipe({ name: 'scanner', ports: many }), {
    code: 'NO_PORTS',
    message: /65 ports/
  })
  assert.throws(() => learnedRecipe({ name: 'cat', ports: [tcp(1)] }, '!!!'), { code: 'BAD_RECIPE' })
  assert.throws(() => learnedRecipe({ name: 'cat', ports: [tcp(1)] }, '\u0418\u0433\u0440\u0430'), {
    code: 'BAD_RECIPE',
    message: /needs letters from a to z/
  })
})

test('letters with accents are typed without', () => {
  assert.equal(learnedRecipe({ name: 'cat', ports: [tcp(1)] }, 'My G\u00e4me!').id, 'my-game')
})

test('a recipe that is kept can be read, and is not written over', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-learned-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const recipe = learnedRecipe({ name: 'game', ports: [tcp(1)] })
  const path = await saveRecipe(recipe, join(folder, 'new'))
  assert.deepEqual(parseRecipe(readFileSync(path, 'utf8'), 'game'), recipe)
  await assert.rejects(saveRecipe(recipe, join(folder, 'new')), { code: 'NAME_TAKEN' })
  await assert.rejects(saveRecipe(recipe, path), { code: 'OPTIONS_UNREADABLE', message: /\(EEXIST\): check/ })
})

test('nothing of a recipe is left where the disk is full', { skip: process.platform !== 'linux' }, t => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-learned-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const from = (file: string): string =>
    JSON.stringify(new URL(`../../../src/games/${file}`, import.meta.url))
  const script = `
    import { learnedRecipe, saveRecipe } from ${from('learned.js')}
    const recipe = learnedRecipe({ name: 'game', ports: [{ proto: 'tcp', port: 1, ephemeral: false }] })
    await saveRecipe(recipe, ${JSON.stringify(folder)}).catch(({ code }) => console.log(code))`
  // No file may have a byte.
  const limited = ['-c', 'ulimit -f 0; exec "$@" | cat', 'sh', process.execPath]
  const { stdout } = spawnSync('/bin/sh', [...limited, '--input-type=module', '-e', script])
  assert.equal(String(stdout), 'OPTIONS_UNREADABLE\n')
  assert.deepEqual(readdirSync(folder), [])
})

const GAME = `
const child = require('node:child_process')
const net = require('node:net')
const dgram = require('node:dgram')
if (process.argv[1] === 'launcher') child.spawn(process.execPath, ['-e', process.argv[2]], { stdio: 'inherit' })
else {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const udp = dgram.createSocket('udp4').bind(0, () => {
      const client = dgram.createSocket('udp4')
      client.connect(9, '127.0.0.1', () => console.log(server.address().port, udp.address().port))
    })
  })
}
process.stdin.on('end', () => process.exit()).resume()
`

test('the ports of a running program are found, those of its children too', {
  skip: process.platform !== 'linux' && 'only on Linux'
}, async t => {
  const launcher = spawn(process.execPath, ['-e', GAME, 'launcher', GAME], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  t.after(async () => {
    launcher.stdin.end()
    await once(launcher, 'close')
  })
  const [line] = await once(launcher.stdout, 'data')
  const [tcpPort, udpPort] = String(line).trim().split(' ').map(Number)
  const { ports } = await openPorts(launcher.pid!)
  const expected = [`tcp ${tcpPort}`, `udp ${udpPort}`]
  assert.deepEqual(ports.map(({ proto, port }) => `${proto} ${port}`).sort(), expected)
  assert.ok(ports.find(({ proto }) => proto === 'udp')!.ephemeral)
  await assert.rejects(openPorts(2 ** 31 - 1), { code: 'NO_SUCH_PROGRAM' })
})
