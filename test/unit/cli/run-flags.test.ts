import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { run } from '../../../src/cli/run.js'
import { HyperNatError } from '../../../src/errors.js'
import { Memory, runOnce } from './memory.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-cli-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function write(options: object): string {
  const path = join(folder, 'options.json')
  const schema = [{ mode: 'server', port: 1, secret: 'qm4jzr8tk3ow9yxa5hbdnc6e' }]
  writeFileSync(path, JSON.stringify({ ...options, schema }), { mode: 0o600 })
  return path
}

test('where metrics and logs go comes from the file, by its own folder', async () => {
  const path = write({ metrics: { port: 9464, host: '::1' }, log: { file: 'x.log', level: 'debug' } })
  const { options } = await runOnce(['-c', path])
  assert.deepEqual(options?.metrics, { port: 9464, host: '::1' })
  assert.deepEqual(options?.log, { file: join(folder, 'x.log'), level: 'debug' })
  const none = await runOnce(['-c', write({})])
  assert.deepEqual([none.options?.metrics, none.options?.log], [undefined, undefined])
})

test('flags go before the file', async () => {
  const path = write({ metrics: { port: 9464, host: '::1' }, log: { file: 'x.log', level: 'debug' } })
  const file = join(folder, 'y.log')
  const { options } = await runOnce(['-c', path, '--metrics', '0', '--log-file', file])
  assert.deepEqual(options?.metrics, { port: 0, host: '::1' })
  assert.deepEqual(options?.log, { file, level: 'debug' })
  const reread = await options!.source!.read()
  assert.deepEqual(reread.metrics, { port: 0, host: '::1' }, 'metrics after a reload')
  assert.deepEqual(reread.log, { file, level: 'debug' }, 'the log file after a reload')
  const server = await runOnce([
    'server',
    '-p',
    '1',
    '--metrics',
    '9000',
    '--log-file',
    join(folder, 'z.log')
  ])
  assert.deepEqual(server.options?.metrics, { port: 9000 })
  assert.equal(server.options?.log?.file, resolve(folder, 'z.log'))
})

test('wrong ones are refused', async () => {
  const { code, err } = await runOnce(['server', '-p', '1/udp', '--metrics', 'many', '--log-file='])
  assert.equal(code, 2)
  assert.match(err, /--metrics: is "many"; give a whole number from 0 to 65535\n/)
  assert.match(err, /--log-file: is empty/)
})

test('events and diagnostics go to the file as JSON, whatever is shown', async () => {
  const file = join(folder, 'events.log')
  const memory = new Memory()
  const ended = run(
    ['server', '-p', '1/udp', '-s', 'qm4jzr8tk3ow9yxa5hbdnc6e', '--quiet', '--log-file', file],
    memory
  )
  memory.fake.onStart = async () => {
    memory.fake.tell({ event: 'metrics', url: 'http://x' })
    memory.log!.info({ port: 1 }, 'one')
    memory.log!.debug('not asked for')
    memory.stop()
  }
  assert.equal(await ended, 0)
  assert.equal(memory.err + memory.out, '')
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ level, event, msg }) => [level, event ?? msg]),
    [
      ['info', 'metrics'],
      ['info', 'one'],
      ['info', 'closing']
    ]
  )
})

test('why it could not start is in the file, for those who see nothing else', async () => {
  const file = join(folder, 'failure.log')
  const memory = new Memory()
  memory.fake.onStart = async () => {
    throw new HyperNatError('PORT_IN_USE', 'It is taken.')
  }
  assert.equal(await run(['server', '-p', '1/udp', '-s', 'x', '--log-file', file], memory), 1)
  assert.match(readFileSync(file, 'utf8'), /"level":"error",.*"code":"PORT_IN_USE","message":"It is taken\."/)
})

test('a log file that cannot be written is warned of, and no more', async () => {
  const file = join(folder, 'nowhere', 'x.log')
  const { code, err, fake } = await runOnce([
    'server',
    '-p',
    '1',
    '-s',
    'qm4jzr8tk3ow9yxa5hbdnc6e',
    '--log-file',
    file
  ])
  assert.equal(code, 0)
  assert.ok(fake.started)
  assert.equal(err.match(/warning LOG_UNWRITABLE: .* \(ENOENT\)/g)?.length, 1, err)
})
