/**
 * Loads a native addon from where its package has it for this system. Its own loader goes through all places where addons of Node and
 * Bare can be, with a package for each step, for some 15 ms; it is asked where there is none here.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)

/** Alpine has another C library, and addons for that another folder. */
const ALPINE = '/etc/alpine-release'

/** @param name of the package, with + in place of a slash, and its version */
export function loadAddon(name: string): unknown {
  const [, path = ''] = /^(.+)-\d/.exec(name.replace('+', '/')) ?? []
  const [folder = ''] =
    new RegExp(`^.*node_modules.${path.replace('/', '.')}(?=[\\\\/])`).exec(require.resolve(path)) ?? []
  const { platform, arch } = process
  if (!existsSync(ALPINE)) {
    try {
      return require(join(folder, 'prebuilds', `${platform}-${arch}`, `${path.replace('/', '__')}.node`))
    } catch {
      // A system that it was not built for: the package knows what else there is, or what to say.
    }
  }
  return require(join(folder, 'binding.js'))
}
