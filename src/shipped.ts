/**
 * What comes with the program: its command, and files that are not code. Here they lie beside the build. A single-file program has
 * scripts/package/inside/shipped.ts in place of this module.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Whether this is a single-file program, which needs no Node and no other file. */
export const isSingleFile: boolean = false

/** The words that start this program: Node and its file, or the program alone. */
export function programWords(): readonly string[] {
  return [process.execPath, fileURLToPath(new URL('./main.js', import.meta.url))]
}

/**
 * The path of a file or folder that comes with the program; for {@link readAny} and {@link listAny} only.
 * @param path from the root of the package, with slashes
 */
export function shippedPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

/** Reads a file, shipped or not. */
export function readAny(path: string): Buffer {
  return readFileSync(path)
}

/** Names in a folder, shipped or not. */
export function listAny(path: string): string[] {
  return readdirSync(path)
}
