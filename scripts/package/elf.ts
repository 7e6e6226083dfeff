/**
 * Puts a blob into an executable of Linux (ELF, 64 bit, little-endian) as a note, where Node looks for its program. The last loaded
 * segment is extended over it, and a note segment that only names the build gives its place in the program header table, so that
 * nothing that is there moves. Sections, which debuggers use and programs do not, are left out: an eighth of the file.
 */

const MAGIC = 0x7f454c46
const CLASS_64_LITTLE = 0x0201

const LOAD = 1
const NOTE = 4

const PAGE = 4096

interface Segment {
  /** Of its program header. */
  readonly at: number
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly fileBytes: number
  readonly memoryBytes: number
}

/** @param name of the note, which Node looks for */
export function withNote(file: Buffer, name: string, blob: Buffer): Buffer {
  if (file.readUInt32BE(0) !== MAGIC || file.readUInt16BE(4) !== CLASS_64_LITTLE) {
    throw new Error('This is no 64-bit ELF file.')
  }
  const segments = segmentsOf(file)
  const last = segments.filter(({ type }) => type === LOAD).at(-1)
  const note = segments.filter(({ type }) => type === NOTE).at(-1)
  if (!last || !note) throw new Error('The executable has no segment to load, or no note.')
  const beyond = segments.some(({ offset, fileBytes }) => offset + fileBytes > last.offset + last.fileBytes)
  if (beyond) throw new Error('The last segment is not at the end of the file.')

  const content = noteOf(name, blob)
  // Behind what is zero in memory, which the file must now spell out.
  const start = aligned(last.offset + last.memoryBytes, PAGE)
  const result = Buffer.alloc(start + content.length)
  file.copy(result, 0, 0, last.offset + last.fileBytes)
  content.copy(result, start)
  const end = start + content.length - last.offset
  write(result, last.at, { ...last, fileBytes: end, memoryBytes: end })
  write(result, note.at, {
    offset: start,
    address: last.address + start - last.offset,
    fileBytes: content.length,
    memoryBytes: content.length
  })
  // No section header table.
  result.writeBigUInt64LE(0n, 40)
  result.writeUInt16LE(0, 60)
  result.writeUInt16LE(0, 62)
  return result
}

function segmentsOf(file: Buffer): Segment[] {
  const table = Number(file.readBigUInt64LE(32))
  const bytes = file.readUInt16LE(54)
  return Array.from({ length: file.readUInt16LE(56) }, (_, index) => {
    const at = table + index * bytes
    const number = (offset: number): number => Number(file.readBigUInt64LE(at + offset))
    return {
      at,
      type: file.readUInt32LE(at),
      offset: number(8),
      address: number(16),
      fileBytes: number(32),
      memoryBytes: number(40)
    }
  })
}

function write(file: Buffer, at: number, segment: Omit<Segment, 'at' | 'type'>): void {
  const { offset, address, fileBytes, memoryBytes } = segment
  const numbers = [offset, address, address, fileBytes, memoryBytes]
  for (const [index, value] of numbers.entries()) file.writeBigUInt64LE(BigInt(value), at + 8 + 8 * index)
}

function noteOf(name: string, content: Buffer): Buffer {
  const text = Buffer.from(`${name}\0`)
  const head = Buffer.alloc(12)
  head.writeUInt32LE(text.length, 0)
  head.writeUInt32LE(content.length, 4)
  const body = Buffer.alloc(aligned(text.length, 4) + aligned(content.length, 4))
  text.copy(body)
  content.copy(body, aligned(text.length, 4))
  return Buffer.concat([head, body])
}

function aligned(size: number, to: number): number {
  return Math.ceil(size / to) * to
}
