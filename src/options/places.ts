/** Where a value was written, in the words of the person who wrote it. */

/** Names the places of one source of options: a file, or the flags of a command. */
export interface Places {
  /** A value by its keys from the top: `['schema', 2, 'port']` is `schema[2].port` in a file, `-p` among flags. */
  field(path: readonly PropertyKey[]): string
  /** An entry as a whole: `schema[2]`, or `-p 3000`. */
  entry(index: number): string
}

/** Places in options.json. */
export const filePlaces: Places = {
  field: jsonPath,
  entry: index => jsonPath(['schema', index])
}

function jsonPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[\w$]+$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(String(key))}]`
  }
  return text
}
