/** Zip archives whose bytes depend on nothing but what is in them. */
import { promisify } from 'node:util'
import { crc32, deflateRaw } from 'node:zlib'
import { type ArchiveFile, checkPaths } from './tar.js'

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50

/** Names are UTF-8. */
const FLAGS = 0x0800
const DEFLATED = 8
const VERSION = 20

/** Made on Unix, so that permission bits are kept. */
const MADE_BY = 0x0300 | VERSION

const REGULAR_FILE = 0o100000

/** @param seconds the time of every file, since 1970 */
export async function zip(files: readonly ArchiveFile[], seconds: number): Promise<Buffer> {
  checkPaths(files)
  const { date, time } = dosTime(seconds)
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { path, bytes, mode = 0o644 } of files) {
    const name = Buffer.from(path)
    const packed: Buffer = await promisify(deflateRaw)(bytes)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(VERSION, 0)
    common.writeUInt16LE(FLAGS, 2)
    common.writeUInt16LE(DEFLATED, 4)
    common.writeUInt16LE(time, 6)
    common.writeUInt16LE(date, 8)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(name.length, 22)
    local.push(uint32(LOCAL), common, name, packed)
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(((REGULAR_FILE | mode) << 16) >>> 0, 6)
    rest.writeUInt32LE(offset, 10)
    const madeBy = Buffer.alloc(2)
    madeBy.writeUInt16LE(MADE_BY)
    central.push(uint32(CENTRAL), madeBy, common, rest, name)
    offset += 4 + common.length + name.length + packed.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, directory, uint32(END), end])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function dosTime(seconds: number): { date: number; time: number } {
  const at = new Date(seconds * 1000)
  return {
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1)
  }
}
