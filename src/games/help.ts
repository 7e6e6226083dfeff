/** What people are told to do in a game: the lines of its recipe, with the places filled in. */

import type { ClientMapInfo } from '../events.js'
import { hostPort, typedHost } from '../text/address.js'
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
