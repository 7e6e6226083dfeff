/** What src/shipped.ts is in a single-file program: files that come with it are assets of the executable. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { getAsset, getRawAsset } from 'node:sea'
import { INDEX } from './assets.js'

export const isSingleFile = true

/** Starts every path of an asset, and no path of a file. */
const INSIDE = join(process.execPath, 'inside')

let index: readonly string[] | undefined

export function programWords(): readonly string[] {
  return [process.execPath]
}

export function shippedPath(path: string): string {
  return join(INSIDE, ...path.split('/'))
}

export function readAny(path: string): Buffer {
  const asset = assetOf(path)
  return asset === null ? readFileSync(path) : Buffer.from(getRawAsset(asset) as ArrayBuffer)
}

export function listAny(path: string): string[] {
  const asset = assetOf(path)
  if (asset === null) return readdirSync(path)
  index ??= JSON.parse(getAsset(INDEX, 'utf8')) as string[]
  const names = index.flatMap(name => (name.startsWith(`${asset}/`) ? name.slice(asset.length + 1) : []))
  return [...new Set(names.map(name => name.split('/')[0]!))]
}

function assetOf(path: string): string | null {
  return path.startsWith(INSIDE + sep) ? path.slice(INSIDE.length + 1).replaceAll(sep, '/') : null
}
