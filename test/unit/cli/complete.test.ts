import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeKey } from '../../../src/identity/encoding.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { runOnce } from './memory.js'

const TICKET = encodeTicket({
  publicKey: decodeKey('EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'),
  maps: [
    { proto: 'tcp', port: 25_565, name: 'Minecraft' },
    { proto: 'udp', port: 8303 }
  ]
})

/** What is offered behind these words, the last of which has been begun. */
async function offered(words: readonly string[], shell = '/bin/bash'): Promise<string[]> {
  const asked = ['--get-yargs-completions', 'hyper-nat', ...words]
  return (await runOnce(asked, { env: { SHELL: shell, HYPER_NAT_CONTROL: 'off' } })).out.trimEnd().split('\n')
}

test('host and games are completed with games, one or several', async () => {
  const found = await offered(['host', 'minecraft-'])
  for (const id of ['minecraft-java', 'minecraft-bedrock']) assert.ok(found.includes(id), `${found}`)
  assert.ok(!found.includes('openarena'))
  assert.ok((await offered(['host', 'mumble', 'open'])).includes('openarena'))
  assert.ok((await offered(['games', 'minecraft'])).includes('minecraft'), 'aliases, too')
  assert.ok(!(await offered(['host', 'minecraft', '-p', ''])).includes('minecraft-java'))
  assert.ok(!(await offered(['join', 'mine'])).includes('minecraft-java'))
})

test('zsh and fish show what a word is', async () => {
  assert.ok((await offered(['host', 'openar'], '/usr/bin/zsh')).includes('openarena:OpenArena'))
  assert.ok((await offered(['host', 'openar'], '/usr/bin/fish')).includes('openarena\tOpenArena'))
})

test('--only is completed with the ports of the ticket, and what they are called', async () => {
  const found = await offered(['join', TICKET, '--only', ''])
  for (const word of ['25565', '8303', 'Minecraft']) assert.ok(found.includes(word), `${found}`)
  assert.deepEqual((await offered(['join', TICKET.slice(0, -5), '--only', ''])).includes('25565'), false)
})

test('no flag of one letter has two dashes', async () => {
  for (const shell of ['/bin/bash', '/usr/bin/zsh', '/usr/bin/fish'])
    for (const command of ['client', 'join', 'ping', 'server']) {
      const found = await offered([command, '--'], shell)
      assert.ok(
        found.some(word => word.startsWith('--verbose')),
        `${found}`
      )
      assert.deepEqual(
        found.filter(word => /^--\w($|[:\t])/.test(word)),
        []
      )
    }
})

test('where a flag wants a value, no flags and commands are offered: the shell offers files', async () => {
  for (const shell of ['/bin/bash', '/usr/bin/zsh', '/usr/bin/fish']) {
    assert.deepEqual(await offered(['-c', './opt'], shell), [''])
    assert.deepEqual(await offered(['server', '--secret-file', ''], shell), [''])
    assert.deepEqual(await offered(['join', TICKET, '--identity', ''], shell), [''])
    assert.ok((await offered(['server', '--private', '--'], shell)).some(word => word.startsWith('--secret')))
    assert.ok((await offered(['server', '--private', ''], shell)).some(word => word.startsWith('--secret')))
  }
})

test('PowerShell has a script of its own', async () => {
  const { out } = await runOnce(['completion', 'powershell'])
  assert.match(out, /Register-ArgumentCompleter -Native -CommandName hyper-nat/)
  assert.match(out, /hyper-nat --get-yargs-completions @words/)
})

test('guests of the options file are offered to be revoked, blocked and let in again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-complete-'))
  const before = process.cwd()
  const key = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'
  const server = {
    mode: 'server',
    port: 4711,
    name: 'home',
    secret: 'qm4jzr8tk3ow9yxa5hbdnc6e',
    allow: [{ name: 'Carl', publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA' }],
    block: [key]
  }
  writeFileSync(join(folder, 'options.json'), JSON.stringify({ schema: [server] }))
  process.chdir(folder)
  try {
    assert.ok((await offered(['revoke', ''])).includes('Carl'))
    assert.ok((await offered(['block', 'Ca'])).includes('Carl'))
    assert.ok((await offered(['invite', 'Anna', '--maps', ''])).includes('4711'))
    assert.ok((await offered(['invite', 'Anna', '--maps', 'ho'])).includes('home'))
    const blocked = await offered(['unblock', ''])
    assert.ok(blocked.includes(key) && !blocked.includes('Carl'), `${blocked}`)
  } finally {
    process.chdir(before)
    rmSync(folder, { recursive: true })
  }
})

test('friends are offered where a server is wanted', async () => {
  await runOnce(['friends', 'add', 'bobby', TICKET])
  for (const command of ['join', 'connect', 'ping', 'doctor']) {
    assert.ok((await offered([command, 'bob'])).includes('bobby'), command)
  }
  assert.ok(!(await offered(['host', 'bob'])).includes('bobby'))
  assert.ok((await offered(['friends', 're'])).includes('rename'))
  for (const action of ['remove', 'rename']) {
    assert.ok((await offered(['friends', action, ''])).includes('bobby'), action)
  }
  assert.ok(!(await offered(['friends', 'add', ''])).includes('bobby'))
  assert.ok(
    (await offered(['join', 'bobby', '--only', ''])).includes('8303'),
    "the ports of the friend's ticket"
  )
  assert.ok((await offered(['connect', 'bobby', ''])).includes('Minecraft'))
  await runOnce(['friends', 'remove', 'bobby'])
})
