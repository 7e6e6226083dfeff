// A server that shares a UDP port of another computer in its LAN.
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Process, runProgram } from '../support/process.js'
import { type Home, Lab, noLab } from './lab.js'

const TALK = join(dirname(fileURLToPath(import.meta.url)), 'lan-talk.js')

const skip = noLab()
let lab: Lab
before(async () => {
  if (!skip) lab = await Lab.open()
})
after(() => lab?.close())

function talk({ prefix }: Home, ...args: string[]): Process {
  const [command = '', ...rest] = [...prefix, process.execPath, TALK, ...args]
  return new Process(command, rest)
}

test('a conversation with another computer of the LAN goes on from another address of this one', {
  skip,
  timeout: 30_000
}, async t => {
  const [server, other] = await lab.lan(2)
  const target = talk(other!, 'answer')
  t.after(() => target.stop())
  const [, port = ''] = await target.says(/port (\d+)/)
  const asking = talk(server!, 'ask', '192.168.7.11', port)
  t.after(() => asking.stop())
  await asking.says(/^192\.168\.7\.10$/m)
  const change = 'ip addr flush dev eth0; ip addr add 192.168.7.77/24 dev eth0'
  const [command = '', ...rest] = [...server!.prefix, 'sh', '-ec', change]
  const { code, stderr } = await runProgram(command, rest)
  assert.equal(code, 0, stderr)
  await asking.says(/^192\.168\.7\.77$/m, 5_000)
})
