/** Files for other people's package managers: templates, with the version, the addresses and the hashes of this build filled in. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const TEMPLATES = join('scripts', 'package', 'recipes')

/** `@URL@`, and `@SHA256:win-x64.zip@` for a file whose name ends so. */
const PLACE = /@(\w+)(?::([\w.-]+))?@/g

/** Fills in what can be: a template that names a file which was not built is left out. */
export async function recipes(
  root: string,
  out: string,
  { version, description, repository }: { version: string; description: string; repository: string }
): Promise<void> {
  const built = (await readdir(out)).sort()
  const values: Readonly<Record<string, string>> = {
    VERSION: version,
    DESCRIPTION: description,
    URL: repository
  }
  for (const path of await readdir(join(root, TEMPLATES), { recursive: true, withFileTypes: true })) {
    if (!path.isFile()) continue
    const from = join(path.parentPath, path.name)
    const text = await readFile(from, 'utf8')
    const hashes = new Map<string, string>()
    for (const [, key, suffix] of text.matchAll(PLACE)) {
      if (key !== 'SHA256' || suffix === undefined) continue
      const file = built.find(name => name.endsWith(suffix))
      if (file)
        hashes.set(
          suffix,
          createHash('sha256')
            .update(await readFile(join(out, file)))
            .digest('hex')
        )
    }
    const isWhole = [...text.matchAll(PLACE)].every(
      ([, key, suffix]) => key !== 'SHA256' || hashes.has(suffix!)
    )
    if (!isWhole) continue
    const filled = text.replace(PLACE, (whole, key: string, suffix?: string) =>
      key === 'SHA256' ? hashes.get(suffix!)! : (values[key] ?? whole)
    )
    const to = join(out, 'recipes', from.slice(join(root, TEMPLATES).length + 1))
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, filled)
  }
}
