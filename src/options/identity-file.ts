/** A client's lasting key, in a file of its own: made on first use, and refused when others can read it. */

import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import sodium from 'sodium-native'
import writeFileAtomic from 'write-file-atomic'
import z32 from 'z32'
import { codeOf, HyperNatError } from '../errors.js'
import { encodeKey } from '../identity/encoding.js'
import { KEY_BYTES, type KeyPair } from '../identity/keys.js'
import { userFolders } from '../user-folders.js'
import { decodeText } from '../util/decode-text.js'
import { makeFolder } from '../util/folder.js'
import { locked } from './lock.js'

/** Permission bits of users other than the owner. */
const OTHERS = 0o077

/** The comment at the start of the file. */
const HEAD = '# The key by which hyper-nat servers know this computer. Who has this file can pose as it.'

/** Characters of 32 bytes in z-base-32. */
const SEED_CHARACTERS = 52

/** Where the identity is when nobody says otherwise: the folder for settings of this system. */
export function defaultIdentityFile(): string {
  return join(userFolders().config, 'identity')
}

/** Where `hyper-nat join` keeps the identity for one server: another for each, so that servers cannot tell that they have a guest in common. */
export function identityFileFor(publicKey: Uint8Array): string {
  return join(userFolders().config, 'joined', encodeKey(publicKey))
}

/**
 * The key pair of an identity file; the file is made, readable by its owner only, when there is none. Two processes that make
 * it at once get the same one.
 * @param path absolute, or relative to the working directory
 * @throws HyperNatError `IDENTITY_EXPOSED` when other users can read or change it, or own it, `IDENTITY_UNUSABLE` when it cannot be read
 * or made, or holds something else
 */
export async function loadIdentity(path: string): Promise<KeyPair> {
  const file = resolve(path)
  try {
    return (await read(file)) ?? (await make(file))
  } catch (cause) {
    if (cause instanceof HyperNatError) throw cause
    const message = `the identity file ${path} cannot be used (${codeOf(cause)}): name another one, or mend its folder`
    throw new HyperNatError('IDENTITY_UNUSABLE', message, { cause })
  }
}

/** Undefined if there is no such file. */
async function read(file: string): Promise<KeyPair | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (err) {
    if (codeOf(err) === 'ENOENT') return undefined
    throw err
  }
  await refuseExposed(file)
  const lines = linesOf(bytes)
  const text = lines.find(line => line.trim() !== '' && !line.startsWith('#'))?.trim() ?? ''
  const seed = text.length === SEED_CHARACTERS && /^[a-z0-9]*$/.test(text) ? decoded(text) : undefined
  bytes.fill(0)
  if (!seed) {
    const message = `the identity file ${file} holds no key: name another file, or remove it for a new key`
    throw new HyperNatError('IDENTITY_UNUSABLE', message)
  }
  return fromSeed(seed)
}

/** Empty for a value that is not a string. */
function linesOf(bytes: Buffer): string[] {
  try {
    return decodeText(bytes).split(/\r?\n/)
  } catch {
    return []
  }
}

function decoded(text: string): Buffer | undefined {
  try {
    const seed = Buffer.from(z32.decode(text))
    // Bits left over: another kind of file, or an editing mistake.
    return seed.byteLength === KEY_BYTES && z32.encode(seed) === text ? seed : undefined
  } catch {
    return undefined
  }
}

async function make(file: string): Promise<KeyPair> {
  // A folder that is there keeps its permissions.
  await makeFolder(dirname(file), 0o700)
  return locked(file, async lock => {
    const other = await read(file)
    if (other) return other
    const seed = Buffer.alloc(KEY_BYTES)
    sodium.randombytes_buf(seed)
    await writeFileAtomic(file, `${HEAD}\n${z32.encode(seed)}\n`, { mode: 0o600, tmpfileCreated: lock.note })
    return fromSeed(seed)
  })
}

/**
 * Windows shows no permissions of other users in a file's mode, whatever its access list says; a file in the user's own folder
 * is the user's there by default.
 */
async function refuseExposed(file: string): Promise<void> {
  if (process.platform === 'win32') return
  const { mode, uid } = await stat(file)
  if (uid !== process.getuid?.()) {
    const message = `the identity file ${file} belongs to another user, who can pose as this one: name another file, or make it your own with chown`
    throw new HyperNatError('IDENTITY_EXPOSED', message)
  }
  if ((mode & OTHERS) === 0) return
  const message = `other users of this computer can use the identity file ${file}: take it from them with chmod 600 ${file}, or remove it for a new key`
  throw new HyperNatError('IDENTITY_EXPOSED', message)
}

function fromSeed(seed: Buffer): KeyPair {
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  sodium.sodium_memzero(seed)
  return { publicKey, secretKey }
}
