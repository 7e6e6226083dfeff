/** Writes config/options.schema.json from the zod schema; a unit test fails while the committed file is not current. */

import { writeFileSync } from 'node:fs'
import { optionsJsonSchema } from '../src/options/json-schema.js'

// Run from the root of the project: node dist/scripts/schema.js
writeFileSync('config/options.schema.json', `${JSON.stringify(optionsJsonSchema(), null, 2)}\n`)
