/**
 * Listens on a socket that has a path: a Unix socket, or a pipe of Windows. A socket file that its program has left is replaced; one
 * that a program listens on is not. The file is removed when the server closes.
 */
import { chmodSync, type Stats } from 'node:fs'
import { lstat, stat, unlink } from 'node:fs/promises'
import net from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { codeOf, HyperNatError } from '../errors.js'

/**
 * Programs that may wait to be accepted, as far as the system allows: more than can have a flow. Beyond it, TCP connections that
 * their programs take for open may be reset, and a Unix socket refuses new ones.
 */
export const BACKLOG = 4096

/**
 * @param mode permission bits of the socket file; pipes have none
 * @throws HyperNatError SOCKET_IN_USE when a program listens there, LISTEN_FAILED
 */
export async function listenOnPath(
  server: net.Server,
  path: string,
  mode: number,
  platform: NodeJS.Platform = process.platform
): Promise<void> {
  try {
    if (platform !== 'win32') await removeStale(path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => {
        server.off('error', reject)
        resolve()
      })
      bind(server, path, mode, platform)
    })
  } catch (err) {
    throw socketError(err, path)
  }
}

/** The file never has more permissions than its mode, so that nobody else connects before they are taken away. */
function bind(server: net.Server, path: string, mode: number, platform: NodeJS.Platform): void {
  if (platform === 'win32') return void server.listen({ path, exclusive: true, backlog: BACKLOG })
  // The mask is the process's, which only its main thread may change; it binds before it returns.
  const mask = isMainThread ? process.umask(~mode & 0o777) : null
  try {
    server.listen({ path, exclusive: true, backlog: BACKLOG })
  } finally {
    if (mask !== null) process.umask(mask)
  }
  // Otherwise it is the file of another program.
  if (mask === null && server.listening) chmodSync(path, mode)
}

/** Removes the socket file of a program that was killed. */
async function removeStale(path: string): Promise<void> {
  const found = await find(path)
  // That there is no folder is reported as a lack of permission otherwise.
  if (!found) return void (await stat(dirname(path)))
  if (!found.isSocket()) {
    throw new HyperNatError(
      'LISTEN_FAILED',
      `There is a file ${path} already, and it is no socket: remove it, or choose another path.`
    )
  }
  if (await isAlive(path)) throw inUse(path)
  // Another program may have replaced it meanwhile.
  const now = await find(path)
  if (now?.ino === found.ino && now.dev === found.dev) await unlink(path)
}

async function find(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (err) {
    if (codeOf(err) === 'ENOENT') return undefined
    throw err
  }
}

/** Whether a program listens on a socket. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path)
    socket.once('connect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', err => {
      const code = codeOf(err)
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false)
      else if (code === 'EACCES' || code === 'EPERM') reject(err)
      // Its queue is full, or it is a socket of another type.
      else resolve(true)
    })
  })
}

function inUse(path: string, cause?: unknown): HyperNatError {
  return new HyperNatError(
    'SOCKET_IN_USE',
    `A program listens on ${path} already: close it, or choose another path.`,
    { cause }
  )
}

function socketError(cause: unknown, path: string): HyperNatError {
  if (cause instanceof HyperNatError) return cause
  const code = codeOf(cause)
  if (code === 'EADDRINUSE') return inUse(path, cause)
  const why: Record<string, string> = {
    EACCES: 'this user may not: choose a folder of its own, or change the permissions',
    EPERM: 'this user may not: choose a folder of its own, or change the permissions',
    ENOENT: 'there is no such folder: make it first',
    ENOTDIR: 'there is no such folder: make it first'
  }
  return new HyperNatError(
    'LISTEN_FAILED',
    `The socket ${path} could not be opened (${code})${why[code] ? `; ${why[code]}` : ''}.`,
    { cause }
  )
}
