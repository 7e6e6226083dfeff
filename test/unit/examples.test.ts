import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseOptions } from '../../src/options/file.js'
import { describe } from './options/describe.js'
import { root } from './root.js'

const folder = join(root, 'config', 'examples')
const examples = readdirSync(folder).filter(name => name.endsWith('.json'))

test('there are examples', () => assert.ok(examples.length >= 6, `only ${examples.length}`))

for (const path of [...examples.map(name => join(folder, name)), join(root, 'options.example.json')]) {
  test(`${path.slice(root.length + 1)} can be used as it is`, () => {
    const { entries, warnings } = parseOptions(readFileSync(path, 'utf8'))
    assert.ok(entries.length > 0)
    // Whoever forgets to put a secret of their own there is told.
    if (entries.some(entry => entry.mode === 'server'))
      assert.ok(warnings.some(({ code }) => code === 'WEAK_SECRET'))
  })
}

// Both options.json of the README of hyper-nat 1.1.3, to the letter.
const README_SERVER = `{
    "schema": [
        {
            "mode": "server",
            "proto": "udp",
            "port": "7913",
            "host": "127.0.0.1",
            "secret":"thisisaseretsecret"
        },
        {
            "mode": "server",
            "proto": "tcp",
            "port": "7915",
            "host": "127.0.0.1",
            "secret":"thisisaseretsecret"
        }
    ]
}`
const README_CLIENT = `{
  "schema": [
    {
        "mode": "client",
        "proto": "udp",
        "localPort": "8080",
        "port": "80",
        "publicKey": "8KdZA6WUUjkpSJSFoUHKfuj2hTygNkbLFnREPwn8u89r"
    },
    {
        "mode": "client",
        "proto": "tcp",
        "localPort": "8081",
        "port": "443",
        "publicKey": "8KdZA6WUUjkpSJSFoUHKfuj2hTygNkbLFnREPwn8u89r"
    }
  ]
}`

test('the server example of the README of 1.x', () => {
  assert.deepEqual(describe(parseOptions(README_SERVER)), [
    'schema[0]: server udp 7913 at 127.0.0.1',
    'schema[1]: server tcp 7915 at 127.0.0.1'
  ])
})

test('the client example of the README of 1.x', () => {
  assert.deepEqual(describe(parseOptions(README_CLIENT)), [
    'schema[0]: client udp 80 from 127.0.0.1 8080 of 8KdZA6WU..',
    'schema[1]: client tcp 443 from 127.0.0.1 8081 of 8KdZA6WU..'
  ])
})
