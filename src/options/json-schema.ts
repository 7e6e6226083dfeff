/** The JSON Schema of options.json, for completion and checks in editors. Written to config/ by scripts/schema.ts. */

import * as z from 'zod'
import { wholeFile } from './schema.js'

/** JSON Schema (draft 7, which editors know best) of what people write: before defaults. */
export function optionsJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(wholeFile, { io: 'input', target: 'draft-7' })
  return { $schema, title: 'hyper-nat options.json', ...schema }
}
