/** Writes the JSON Schemas of config/ from the zod schemas; a unit test fails while the committed files are not current. */

import { writeFileSync } from 'node:fs'
import { recipeJsonSchema } from '../src/games/recipe-shape.js'
import { optionsJsonSchema } from '../src/options/json-schema.js'

// Run from the root of the project: node dist/scripts/schema.js
for (const [name, schema] of [
  ['options', optionsJsonSchema()],
  ['game', recipeJsonSchema()]
] as const) {
  writeFileSync(`config/${name}.schema.json`, `${JSON.stringify(schema, null, 2)}\n`)
}
