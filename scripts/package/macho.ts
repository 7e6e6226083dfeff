/**
 * Ad-hoc code signatures of macOS executables (Mach-O, 64 bit, one architecture). Apple's processors run nothing unsigned. A signature
 * without a certificate says that no page of the file has changed since; whoever has a certificate replaces it with `codesign`.
 */
import { createHash } from 'node:crypto'

const MAGIC = 0xfeedfacf
const SEGMENT = 0x19
const CODE_SIGNATURE = 0x1d

/** Blobs of a signature; their numbers are big-endian. */
const SUPER_BLOB = 0xfade0cc0
const CODE_DIRECTORY = 0xfade0c02
const REQUIREMENTS = 0xfade0c01
const CMS = 0xfade0b01
const SLOT = { codeDirectory: 0, requirements: 2, cms: 0x10000 } as const

const DIRECTORY_BYTES = 88
const DIRECTORY_VERSION = 0x20400
const AD_HOC = 2
const SHA256 = 2
const HASH_BYTES = 32
const PAGE_BITS = 12
const PAGE = 1 << PAGE_BITS
const MAIN_BINARY = 1n

/** Memory is mapped in pages of this size on Apple's processors. */
const VM_PAGE = 16384

interface Segment {
  /** Of its load command. */
  readonly at: number
  readonly offset: number
  readonly size: number
}

interface Layout {
  readonly commands: number
  readonly commandBytes: number
  /** Where the next load command would be. */
  readonly end: number
  /** Where the first section's bytes are. */
  readonly firstSection: number
  readonly text: Segment
  readonly linkEdit: Segment
  readonly signature: number | null
}

function layoutOf(file: Buffer): Layout {
  if (file.readUInt32LE(0) !== MAGIC) throw new Error('This is no 64-bit Mach-O file of one architecture.')
  const commands = file.readUInt32LE(16)
  const commandBytes = file.readUInt32LE(20)
  const segments = new Map<string, Segment>()
  let signature: number | null = null
  let firstSection = Number.POSITIVE_INFINITY
  let at = 32
  for (let index = 0; index < commands; index++) {
    const command = file.readUInt32LE(at)
    if (command === CODE_SIGNATURE) signature = file.readUInt32LE(at + 8)
    if (command === SEGMENT) {
      const name = file.toString('latin1', at + 8, at + 24).replace(/\0.*$/s, '')
      const [offset, size] = [Number(file.readBigUInt64LE(at + 40)), Number(file.readBigUInt64LE(at + 48))]
      segments.set(name, { at, offset, size })
      for (let section = 0; section < file.readUInt32LE(at + 64); section++) {
        const start = file.readUInt32LE(at + 72 + 80 * section + 48)
        if (start > 0) firstSection = Math.min(firstSection, start)
      }
    }
    at += file.readUInt32LE(at + 4)
  }
  const [text, linkEdit] = [segments.get('__TEXT'), segments.get('__LINKEDIT')]
  if (!text || !linkEdit) throw new Error('This is no executable.')
  return { commands, commandBytes, end: 32 + commandBytes, firstSection, text, linkEdit, signature }
}

/**
 * The file with a signature of its own.
 * @param file without one
 * @param identifier names the program in the signature
 */
export function signed(file: Buffer, identifier: string): Buffer {
  const { commands, commandBytes, end, firstSection, text, linkEdit, signature } = layoutOf(file)
  if (signature !== null) throw new Error('The file is signed already.')
  if (end + 16 > firstSection) throw new Error('There is no room for another load command.')
  const limit = aligned(file.length, 16)
  const pages = Math.ceil(limit / PAGE)
  const name = Buffer.from(`${identifier}\0`)
  const requirements = blob(REQUIREMENTS, Buffer.alloc(4))
  const cms = blob(CMS, Buffer.alloc(0))
  // Two slots before the pages: the requirements, and the property list that a program alone has none of.
  const hashes = DIRECTORY_BYTES + name.length + 2 * HASH_BYTES
  const directoryBytes = hashes + pages * HASH_BYTES
  const blobs = 12 + 3 * 8 + directoryBytes + requirements.length + cms.length
  const signatureBytes = aligned(blobs, 16)

  const result = Buffer.alloc(limit + signatureBytes)
  file.copy(result)
  for (const [index, value] of [CODE_SIGNATURE, 16, limit, signatureBytes].entries()) {
    result.writeUInt32LE(value, end + 4 * index)
  }
  result.writeUInt32LE(commands + 1, 16)
  result.writeUInt32LE(commandBytes + 16, 20)
  const linkBytes = limit + signatureBytes - linkEdit.offset
  result.writeBigUInt64LE(BigInt(linkBytes), linkEdit.at + 48)
  result.writeBigUInt64LE(BigInt(aligned(linkBytes, VM_PAGE)), linkEdit.at + 32)

  const directory = Buffer.alloc(directoryBytes)
  const numbers = [
    CODE_DIRECTORY,
    directoryBytes,
    DIRECTORY_VERSION,
    AD_HOC,
    hashes,
    DIRECTORY_BYTES,
    2,
    pages,
    limit
  ]
  for (const [index, value] of numbers.entries()) directory.writeUInt32BE(value, 4 * index)
  directory.set([HASH_BYTES, SHA256, 0, PAGE_BITS], 36)
  directory.writeBigUInt64BE(BigInt(text.offset), 64)
  directory.writeBigUInt64BE(BigInt(text.size), 72)
  directory.writeBigUInt64BE(MAIN_BINARY, 80)
  name.copy(directory, DIRECTORY_BYTES)
  sha256(requirements).copy(directory, hashes - SLOT.requirements * HASH_BYTES)
  for (const [index, hash] of pageHashes(result, limit).entries())
    hash.copy(directory, hashes + index * HASH_BYTES)

  const parts: [slot: number, bytes: Buffer][] = [
    [SLOT.codeDirectory, directory],
    [SLOT.requirements, requirements],
    [SLOT.cms, cms]
  ]
  const head = Buffer.alloc(12 + 8 * parts.length)
  head.writeUInt32BE(SUPER_BLOB, 0)
  head.writeUInt32BE(blobs, 4)
  head.writeUInt32BE(parts.length, 8)
  let offset = head.length
  for (const [index, [slot, bytes]] of parts.entries()) {
    head.writeUInt32BE(slot, 12 + 8 * index)
    head.writeUInt32BE(offset, 16 + 8 * index)
    offset += bytes.length
  }
  Buffer.concat([head, ...parts.map(([, bytes]) => bytes)]).copy(result, limit)
  return result
}

/**
 * Checks a signature of {@link signed}.
 * @returns how many pages it covers
 * @throws Error when there is none, or a page has changed
 */
export function checkSignature(file: Buffer): number {
  const { signature, linkEdit } = layoutOf(file)
  if (signature === null) throw new Error('The file is not signed.')
  if (linkEdit.offset + linkEdit.size !== file.length)
    throw new Error('__LINKEDIT does not end with the file.')
  const blobs = file.subarray(signature)
  const directory = blobs.subarray(blobs.readUInt32BE(16))
  if (directory.readUInt32BE(0) !== CODE_DIRECTORY) throw new Error('The signature has no code directory.')
  const [hashes, pages, limit] = [16, 28, 32].map(at => directory.readUInt32BE(at)) as [
    number,
    number,
    number
  ]
  if (limit !== signature) throw new Error('The signature does not cover the file.')
  const found = pageHashes(file, limit)
  if (found.length !== pages) throw new Error('The signature does not cover every page.')
  for (const [index, hash] of found.entries()) {
    const at = hashes + index * HASH_BYTES
    if (!hash.equals(directory.subarray(at, at + HASH_BYTES))) throw new Error(`Page ${index} has changed.`)
  }
  return pages
}

function pageHashes(file: Buffer, limit: number): Buffer[] {
  const pages = Math.ceil(limit / PAGE)
  return Array.from({ length: pages }, (_, index) =>
    sha256(file.subarray(index * PAGE, Math.min((index + 1) * PAGE, limit)))
  )
}

function blob(magic: number, content: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(magic, 0)
  head.writeUInt32BE(8 + content.length, 4)
  return Buffer.concat([head, content])
}

function aligned(size: number, to: number): number {
  return Math.ceil(size / to) * to
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
