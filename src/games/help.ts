/** What people are told to do in a game: the lines of its recipe, with the places filled in. */

import type { ClientMapInfo, ServerMapInfo } from '../events.js'
import { hostPort, LOCALHOST, typedHost } from '../text/address.js'
import type { Recipe } from './recipe.js'

/** A line of a recipe with `{address}`, `{host}` and `{port}` filled in. */
export function fillIn(line: string, host: string, port: number): string {
  return line
    .replaceAll('{address}', hostPort(host, port))
    .replaceAll('{host}', host)
    .replaceAll('{port}', `${port}`)
}

/** What the host does, and what else there is to know. */
export function hostHelp({ host: line, why }: Recipe, host: string, port: number): string {
  return fillIn(why === undefined ? line : `${line} ${why}`, host, port)
}

/**
 * What a guest does.
 * @param maps those of the game that are open here, at least one
 */
export function guestHelp({ guest, ports }: Recipe, maps: readonly ClientMapInfo[]): string {
  const { proto, port } = ports[0]!
  const own = maps.filter(map => map.proto === proto || (proto === 'tcp' && map.proto === 'tcpudp'))
  const map = own.find(map => map.port === port) ?? own[0] ?? maps[0]!
  return fillIn(guest, typedHost(map.localHost), map.localPort)
}

/** A server's port map, as sentences about its target name it. */
export interface NamedTarget extends ServerMapInfo {
  readonly name?: string | undefined
}

/**
 * `Waiting for Minecraft: Java Edition on port 25565`: nothing listens there yet.
 * @param titleOf what people call a port map of this name
 */
export function waitingText(target: NamedTarget, titleOf: (name: string) => string): string {
  return `Waiting for ${target.name === undefined ? 'a program' : titleOf(target.name)} on ${placeOf(target)}`
}

/** `Minecraft: Java Edition is running on port 25565`. */
export function runningText(target: NamedTarget, titleOf: (name: string) => string): string {
  return `${target.name === undefined ? 'A program' : titleOf(target.name)} is running on ${placeOf(target)}`
}

function placeOf({ name, proto, port, host }: NamedTarget): string {
  const where = host === LOCALHOST ? '' : ` of ${host}`
  return `${name === undefined ? `${proto} ` : ''}port ${port}${where}`
}
