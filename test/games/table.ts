/**
 * A game at the host's and two guests, each home behind a router of its own that lets nothing in: who gets into the game got there
 * through the tunnel.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Home, noLab } from '../natlab/lab.js'
import { type Programs, ticketOf, WITHIN_MS, withPrograms } from '../natlab/programs.js'
import { lab, useLab } from '../natlab/side.js'
import { until } from '../support/deadline.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { programPath } from '../support/programs.js'

useLab()

export interface Guest {
  /** What the game shall call its player. */
  readonly name: string
  readonly home: Home
}

/** Who sits at it. */
export interface Table {
  readonly hosts: Home
  readonly guests: readonly [Guest, Guest]
  readonly programs: Programs
}

/** Declares the test of a game. @param needs the programs that it starts */
export function played(what: string, needs: readonly string[], play: (table: Table) => Promise<void>): void {
  test(what, { skip: noLab(...needs), timeout: 90_000 }, () =>
    withPrograms(async programs => {
      const [hosts, anna, ben] = [await lab.home('cone'), await lab.home('cone'), await lab.home('cone')]
      await play({
        hosts,
        guests: [
          { name: 'anna', home: anna },
          { name: 'ben', home: ben }
        ],
        programs
      })
    })
  )
}

/** `hyper-nat host ..` at the host's: its daemon, and the ticket that it shows. */
export async function shared(
  { programs, hosts }: Table,
  ...words: string[]
): Promise<{ host: HyperNat; ticket: string }> {
  const host = programs.daemon(hosts, ['host', ...words])
  return { host, ticket: await ticketOf(host) }
}

/** `hyper-nat join TICKET` at both guests': their daemons, in that order. */
export async function joined({ programs, guests }: Table, ticket: string): Promise<[HyperNat, HyperNat]> {
  const [anna, ben] = guests
  return Promise.all([programs.guest(anna.home, ticket), programs.guest(ben.home, ticket)])
}

/** A screen for a program with windows, and how to press keys there: `Return`, or what xdotool takes. */
export async function screenOf(
  { programs }: Table,
  home: Home
): Promise<{ env: { DISPLAY: string }; press(...keys: string[]): Promise<string> }> {
  const screen = programs.run(home, [
    ...[programPath('Xvfb'), '-displayfd', '1', '-nolisten', 'tcp'],
    ...['-screen', '0', '640x480x24']
  ])
  const [, number] = await screen.says(/^(\d+)$/m, WITHIN_MS)
  const env = { DISPLAY: `:${number}` }
  return { env, press: (...keys) => programs.said(home, [programPath('xdotool'), ...keys], { env }) }
}

/** Asks again until the answer is right: a game tells nobody how far it is. */
export async function answers(wanted: RegExp, ask: () => Promise<string>): Promise<void> {
  let answer = ''
  await until(WITHIN_MS, `${wanted}`, async () => {
    answer = await ask()
    return wanted.test(answer)
  }).catch(err => assert.fail(`${err.message} in ${answer}`))
}

/**
 * The game saw two guests, at the addresses that the host's daemon gave them.
 * @param told what the game said of its players
 * @param pattern finds an address in it
 */
export function assertSeen(host: HyperNat, told: string, pattern: RegExp): void {
  const given = host.events.flatMap(event => (event.event === 'connected' ? [event.address] : []))
  const seen = new Set([...told.matchAll(pattern)].map(([, address]) => address))
  assert.equal(seen.size, 2, told)
  assert.deepEqual([...seen].sort(), given.sort())
}
