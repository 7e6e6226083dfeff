/** The instructions for a game: the lines of its recipe, with the places filled in. */

import type { ClientMapInfo, ServerMapInfo } from '../events.js'
import type { Proto } from '../proto.js'
import { hostPort, LOCALHOST, typedHost } from '../text/address.js'
import { portsText } from '../text/ports.js'
import { isSocketPath } from '../text/socket-path.js'
import { type FoundMap, isListed } from './lobby.js'
import { PLACE } from './notation.js'
import { type OwnPort, ownPorts, type Recipe } from './recipe.js'

/** A port that a server shares. */
interface SharedPort {
  readonly proto: Proto
  readonly port: number
}

/** An address for each port of a recipe, under the recipe's own number. */
type Places = ReadonlyMap<number, { readonly host: string; readonly port: number }>

/** Fills in a line; undefined if a place in it is not known. */
function fillIn(line: string, recipe: Recipe, places: Places): string | undefined {
  const game = ownPorts(recipe, true)[0]!.port
  let known = true
  const filled = line.replace(PLACE, (text, kind: string, own?: string) => {
    const place = places.get(own === undefined ? game : Number(own))
    if (!place) {
      known = false
      return text
    }
    if (kind === 'host') return place.host
    return kind === 'port' ? `${place.port}` : hostPort(place.host, place.port)
  })
  return known ? filled : undefined
}

function portsIn(shared: readonly SharedPort[]): number[] {
  return [...new Set(shared.map(({ port }) => port))]
}

function isShared(shared: readonly SharedPort[], port: number, protos: readonly string[]): boolean {
  return shared.some(one => one.port === port && protos.includes(one.proto === 'tcpudp' ? 'tcp' : one.proto))
}

/** Whether ports are all of these ports of a recipe, in its order. */
function isInOrder(
  own: readonly OwnPort[],
  ports: readonly number[],
  shared: readonly SharedPort[]
): boolean {
  if (own.length !== ports.length) return false
  return own.every(({ port, protos, moves }, i) => {
    const expected =
      moves === undefined ? ports[i] : moves === 'along' ? port - own[0]!.port + ports[0]! : port
    return ports[i] === expected && isShared(shared, ports[i]!, protos)
  })
}

/**
 * The port maps of each server, where several servers of a game have one name, or none: one follows the other, each in the order of
 * the recipe.
 * @param maps those of that name
 */
export function serversAmong<M extends SharedPort>(recipe: Recipe, maps: readonly M[]): (readonly M[])[] {
  const ports = portsIn(maps)
  const own = ownPorts(recipe, false)
  const shift = ports[0]! - own[0]!.port
  // Hardly anyone gives an optional port a number of its own: another number is that of another server.
  const isOptional = ownPorts(recipe, true).some(
    ({ port, optional, moves }) => optional && ports.includes(moves === 'along' ? port + shift : port)
  )
  const count = ports.length / own.length
  if (isOptional || !Number.isInteger(count)) return [maps]
  const groups = Array.from({ length: count }, (_, i) => ports.slice(i * own.length, (i + 1) * own.length))
  if (!groups.every(group => isInOrder(own, group, maps))) return [maps]
  return groups.map(group => maps.filter(({ port }) => group.includes(port)))
}

/**
 * The ports of a recipe on a server that has perhaps moved them, by their own numbers; those that are not shared are left out.
 * @param shared the ports that the server has for the game
 */
function portsOn(recipe: Recipe, shared: readonly SharedPort[]): Map<number, number> {
  const own = ownPorts(recipe, true)
  const game = own[0]!
  const has = (port: number, protos: readonly string[]): boolean => isShared(shared, port, protos)
  const ports = portsIn(shared)
  // Shares and tickets keep the order of the recipe: numbers say little, as the host may have swapped two.
  const inOrder = [ownPorts(recipe, false), own].find(all => isInOrder(all, ports, shared))
  if (inOrder) return new Map(inOrder.map(({ port }, i) => [port, ports[i]!]))
  const follow = own.filter(({ moves, optional }) => moves === 'along' && !optional)
  const base = ports.find(
    base => has(base, game.protos) && follow.every(one => has(one.port - game.port + base, one.protos))
  )
  const found = new Map<number, number>()
  if (base === undefined) return found
  found.set(game.port, base)
  const rest = own.slice(1)
  for (const { port, protos, moves } of rest) {
    const expected = moves === 'along' ? port - game.port + base : port
    if (has(expected, protos) && ![...found.values()].includes(expected)) found.set(port, expected)
  }
  // What has a setting of its own is at the first of the other ports, in the order of the recipe.
  for (const { port, protos, moves } of rest) {
    if (found.has(port) || moves !== undefined) continue
    const other = shared.find(one => has(one.port, protos) && ![...found.values()].includes(one.port))
    if (other) found.set(port, other.port)
  }
  return found
}

/** The lines of a recipe with its own ports. */
export function recipeHelp(recipe: Recipe, host: string): { readonly host: string; readonly guest: string } {
  const places = new Map(ownPorts(recipe, true).map(({ port }) => [port, { host, port }]))
  return {
    host: fillIn(recipe.host, recipe, places)!,
    guest: fillIn(guestLine(recipe, true), recipe, places)!
  }
}

/**
 * What the host does, and what else there is to know.
 * @param shared the ports that are shared for the game; left out: the recipe's own
 */
export function hostHelp(recipe: Recipe, host: string, shared: readonly SharedPort[] = []): string {
  const moved = portsOn(recipe, shared)
  // What is not shared is where the game has it, most likely.
  const places = new Map(
    ownPorts(recipe, true).map(({ port }) => [port, { host, port: moved.get(port) ?? port }])
  )
  const line = fillIn(recipe.host, recipe, places)!
  return recipe.why === undefined ? line : `${line} ${recipe.why}`
}

/** @param listed whether the LAN list of the game shows it here */
function guestLine({ lan, guest }: Recipe, listed: boolean): string {
  if (lan === undefined) return guest
  return listed
    ? `${lan}. Or by address: ${guest}`
    : `${guest}. The LAN list of the game does not show it here`
}

/**
 * What a guest does.
 * @param maps those of the game that are open here
 * @param platform the system of this computer
 * @returns undefined where they lack a port that the guest has to enter
 */
export function guestHelp(
  recipe: Recipe,
  maps: readonly (ClientMapInfo & FoundMap)[],
  platform: NodeJS.Platform = process.platform
): string | undefined {
  const ports = new Map(ownPorts(recipe, true).map(one => [one.port, one]))
  const places = new Map(
    [...portsOn(recipe, maps)].flatMap(([own, port]) => {
      const { protos } = ports.get(own)!
      const map = maps.find(
        one => one.port === port && protos.includes(one.proto === 'tcpudp' ? 'tcp' : one.proto)
      )
      return map ? [[own, { host: typedHost(map.localHost), port: map.localPort }] as const] : []
    })
  )
  const line = fillIn(guestLine(recipe, maps.some(isListed)), recipe, places)
  const { windowsApp } = recipe
  if (line === undefined || windowsApp === undefined || platform !== 'win32') return line
  // Windows keeps programs in app containers from 127.0.0.1 unless they are exempt.
  return `${line}. If the version from the Microsoft Store finds nothing, run this once in a terminal that was opened as administrator: CheckNetIsolation LoopbackExempt -a -n="${windowsApp}"`
}

/** A server's port map, as sentences about its target name it. */
export interface NamedTarget extends ServerMapInfo {
  readonly name?: string | undefined
}

/** Targets at one host that sentences name together: those of a game, or those without a name of one protocol. */
interface TargetGroup extends Pick<NamedTarget, 'name' | 'proto' | 'host'> {
  readonly ports: readonly number[]
}

/**
 * `Waiting for Minecraft: Java Edition on port 25565`: nothing listens there yet. A sentence for each game, and for those without a name.
 * @param titleOf what people call a port map of this name
 * @param advice how a sentence ends, about it or them
 */
export function waitingTexts(
  targets: readonly NamedTarget[],
  titleOf: (name: string) => string,
  advice: (them: string) => string = () => ''
): string[] {
  return grouped(targets).map(group => {
    const { name, ports } = group
    const several = name === undefined && ports.length > 1
    const what = name === undefined ? (several ? 'programs' : 'a program') : titleOf(name)
    return `Waiting for ${what} on ${placeOf(group)}${advice(several ? 'them' : 'it')}`
  })
}

/** `Minecraft: Java Edition is running on port 25565`, likewise. */
export function runningTexts(targets: readonly NamedTarget[], titleOf: (name: string) => string): string[] {
  return grouped(targets).map(group => {
    const { name, ports } = group
    const what =
      name === undefined ? (ports.length > 1 ? 'Programs are' : 'A program is') : `${titleOf(name)} is`
    return `${what} running on ${placeOf(group)}`
  })
}

function grouped(targets: readonly NamedTarget[]): TargetGroup[] {
  const groups = new Map<string, NamedTarget[]>()
  for (const target of targets) {
    const { name, proto, host } = target
    const key = JSON.stringify(name === undefined ? [proto, host] : [name, host, ''])
    const group = groups.get(key)
    if (group) group.push(target)
    else groups.set(key, [target])
  }
  return [...groups.values()].map(group => ({
    ...group[0]!,
    ports: [...new Set(group.map(({ port }) => port))]
  }))
}

function placeOf({ name, proto, ports, host }: TargetGroup): string {
  const places = portsText(ports)
  if (isSocketPath(host)) return `${host} (${proto} ${places})`
  const where = host === LOCALHOST ? '' : ` of ${host}`
  return `${name === undefined ? `${proto} ` : ''}${places}${where}`
}
