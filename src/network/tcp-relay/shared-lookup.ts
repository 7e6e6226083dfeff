/**
 * `dns.lookup`, once at a time for each name. A look-up cannot be ended, takes some 10 s where the resolver is silent, and the process
 * makes two at a time: those that are repeated meanwhile would hold up all others.
 */
import dns from 'node:dns'
import type { LookupFunction } from 'node:net'

type Done = Parameters<LookupFunction>[2]

const waiting = new Map<string, Done[]>()

export const sharedLookup: LookupFunction = (host, options, done) => {
  const key = JSON.stringify([host, options])
  const others = waiting.get(key)
  if (others) return void others.push(done)
  const all = [done]
  waiting.set(key, all)
  dns.lookup(host, options, (...result) => {
    waiting.delete(key)
    for (const each of all) each(...result)
  })
}
