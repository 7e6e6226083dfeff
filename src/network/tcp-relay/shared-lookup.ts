/**
 * `dns.lookup`, once at a time for each name. A look-up cannot be ended, takes some 10 s where the resolver is silent, and the process
 * makes two at a time: those that are repeated meanwhile would hold up all others.
 */
import dns from 'node:dns'
import type { LookupFunction } from 'node:net'
import { SingleFlight } from '../../util/single-flight.js'

type Found = readonly [address: string | dns.LookupAddress[], family?: number]

const lookUps = new SingleFlight<Found>()

export const sharedLookup: LookupFunction = (host, options, done) => {
  const lookUp = (): Promise<Found> =>
    new Promise((resolve, reject) => {
      dns.lookup(host, options, (err, ...found) => (err ? reject(err) : resolve(found)))
    })
  lookUps.run(lookUp, JSON.stringify([host, options])).then(
    found => done(null, ...found),
    err => done(err, '')
  )
}
