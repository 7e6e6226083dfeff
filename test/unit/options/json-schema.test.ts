import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { optionsJsonSchema } from '../../../src/options/json-schema.js'
import { root } from '../root.js'

test('config/options.schema.json is current', () => {
  const committed = JSON.parse(readFileSync(join(root, 'config', 'options.schema.json'), 'utf8'))
  assert.deepEqual(
    committed,
    optionsJsonSchema(),
    'build, then run: node dist/scripts/schema.js && npx biome check --write config'
  )
})
