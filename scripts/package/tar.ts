/** Tar archives whose bytes depend on nothing but what is in them (POSIX ustar). */

const BLOCK = 512

/** A file in an archive. */
export interface ArchiveFile {
  /** With slashes, relative. */
  readonly path: string
  readonly bytes: Buffer
  /** Permission bits: 0o755 for programs. */
  readonly mode?: number
}

/** @throws Error for two files of one path: who unpacks it and overwrites nothing gets an error */
export function checkPaths(files: readonly ArchiveFile[]): void {
  const seen = new Set<string>()
  for (const { path } of files) {
    if (seen.has(path)) throw new Error(`The archive would hold ${path} twice.`)
    seen.add(path)
  }
}

/**
 * @param seconds the time of every file, since 1970
 * @param folders paths get entries of their own for the folders above them, as dpkg wants it
 */
export function tar(files: readonly ArchiveFile[], seconds: number, folders = false): Buffer {
  checkPaths(files)
  const parts: Buffer[] = []
  const made = new Set<string>()
  for (const { path, bytes, mode = 0o644 } of files) {
    if (folders) {
      for (const folder of foldersOf(path)) {
        if (made.has(folder)) continue
        made.add(folder)
        parts.push(header(folder, 0, 0o755, seconds, '5'))
      }
    }
    parts.push(
      header(path, bytes.length, mode, seconds, '0'),
      bytes,
      Buffer.alloc(-bytes.length & (BLOCK - 1))
    )
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}

/** `./`, `./usr/`, `./usr/bin/` of `./usr/bin/hyper-nat`. */
function foldersOf(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, index) => `${names.slice(0, index + 1).join('/')}/`)
}

function header(path: string, size: number, mode: number, seconds: number, type: '0' | '5'): Buffer {
  const { name, prefix } = split(path)
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, length: number): void =>
    void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1')
  block.write(name, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(seconds, 136, 12)
  block.write('        ', 148)
  block.write(type, 156)
  block.write('ustar\x0000', 257, 'latin1')
  block.write('root', 265)
  block.write('root', 297)
  octal(0, 329, 8)
  octal(0, 337, 8)
  block.write(prefix, 345)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** A name has 100 bytes, and 155 more for the folders before it. */
function split(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' }
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)]
    if (name !== '' && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155)
      return { name, prefix }
  }
  throw new Error(`${path} is too long for a tar archive`)
}

/** The files of an archive that npm made. */
export function* tarEntries(archive: Buffer): Generator<{ path: string; bytes: Buffer }> {
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const text = (from: number, length: number): string =>
      archive.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '')
    const size = Number.parseInt(text(124, 12), 8)
    const prefix = text(345, 155)
    const start = at + BLOCK
    if (text(156, 1) === '0') {
      yield {
        path: prefix ? `${prefix}/${text(0, 100)}` : text(0, 100),
        bytes: archive.subarray(start, start + size)
      }
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK
  }
}
