/** Whether the installed libraries have the members that this program was written for, private ones among them. */
import { createRequire } from 'node:module'
import { HyperNatError } from '../errors.js'

/** The versions that the tests ran with. */
export const TESTED = {
  hyperdht: '6.34.0',
  'dht-rpc': '6.27.0',
  '@hyperswarm/secret-stream': '6.9.2',
  'udx-native': '1.21.3'
} as const

export type Library = keyof typeof TESTED

/** What a member must be. A function's number is that of its parameters. */
type Shape = number | 'accessor' | 'object' | 'number' | 'boolean' | 'null'

/** By name, or by path: `io.firewalled`. */
export type Members = Readonly<Record<string, Shape>>

/**
 * Checks that an installed library has members of these shapes.
 * @param part what of the library has them, for the error
 * @throws HyperNatError LIBRARY_MISMATCH
 */
export function checkMembers(library: Library, part: string, subject: object, members: Members): void {
  for (const [path, shape] of Object.entries(members)) {
    if (hasShape(subject, path.split('.'), shape)) continue
    const found = installedVersion(library)
    const { [library]: tested } = TESTED
    throw new HyperNatError(
      'LIBRARY_MISMATCH',
      `${library} ${found} does not fit this version of hyper-nat, which was tested with ${library} ${tested} ` +
        `(${part}: "${path}" is missing or different): reinstall hyper-nat, or install ${library}@${tested}.`
    )
  }
}

function hasShape(subject: unknown, path: readonly string[], shape: Shape): boolean {
  const last = path.at(-1)!
  let owner: unknown = subject
  for (const name of path.slice(0, -1)) {
    if (typeof owner !== 'object' || owner === null) return false
    owner = (owner as Record<string, unknown>)[name]
  }
  if (typeof owner !== 'object' || owner === null || !(last in owner)) return false
  if (shape === 'accessor') return getterOf(owner, last) !== undefined
  const value = (owner as Record<string, unknown>)[last]
  if (typeof shape === 'number') return typeof value === 'function' && value.length === shape
  if (shape === 'null') return value === null
  return value !== null && typeof value === shape
}

/** A prototype's getter cannot be called without an instance. */
function getterOf(owner: object, name: string): (() => unknown) | undefined {
  for (let at: object | null = owner; at; at = Object.getPrototypeOf(at)) {
    const descriptor = Object.getOwnPropertyDescriptor(at, name)
    if (descriptor) return descriptor.get
  }
  return undefined
}

/** Resolves as the package does that uses the library: several copies may be installed. */
function requireOf(library: Library): NodeJS.Require {
  const here = createRequire(import.meta.url)
  if (library === 'hyperdht' || library === '@hyperswarm/secret-stream') return here
  const ofHyperdht = createRequire(here.resolve('hyperdht'))
  return library === 'dht-rpc' ? ofHyperdht : createRequire(ofHyperdht.resolve('dht-rpc'))
}

function installedVersion(library: Library): string {
  try {
    return (requireOf(library)(`${library}/package.json`) as { version: string }).version
  } catch {
    return '(unknown version)'
  }
}
