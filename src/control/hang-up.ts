import type net from 'node:net'

/** Longer than a program takes to read the last words. */
const HANG_UP_MS = 2000

/** Says why it is over, and hangs up. */
export function hangUp(socket: net.Socket, lastWords: string | Uint8Array): void {
  if (!socket.writable) return void socket.destroy()
  socket.end(lastWords)
  // What still comes is not wanted; unread, it would take the last words with it.
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), HANG_UP_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
