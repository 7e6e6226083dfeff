/** Recipes of a test's own, and stand-ins for the games that they are of. */
import dgram from 'node:dgram'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseRecipe, SHIPPED } from '../../src/games/games.js'
import type { Recipe } from '../../src/games/recipe.js'

/** A recipe that comes with the program. */
export function shippedRecipe(id: string): Recipe {
  return parseRecipe(readFileSync(join(SHIPPED, `${id}.json`), 'utf8'), id)
}

/** A user's folder for settings with these recipes in it: the environment for a daemon, and how to remove it. */
export function userRecipes(recipes: readonly Recipe[]): { env: Record<string, string>; close(): void } {
  const home = mkdtempSync(join(tmpdir(), 'hyper-nat-games-'))
  const settings = {
    darwin: ['Library', 'Preferences', 'hyper-nat'],
    win32: ['hyper-nat', 'Config']
  }[process.platform as string] ?? ['hyper-nat']
  const folder = join(home, ...settings, 'games')
  mkdirSync(folder, { recursive: true })
  for (const recipe of recipes) writeFileSync(join(folder, `${recipe.id}.json`), JSON.stringify(recipe))
  return {
    env: { HOME: home, XDG_CONFIG_HOME: home, APPDATA: home },
    close: () => rmSync(home, { recursive: true, force: true })
  }
}

/** A game's socket that is bound as games do it, to all addresses, and what it has heard. */
export class GameSocket {
  readonly socket: dgram.Socket
  readonly heard: { text: string; address: string; port: number }[] = []
  #watchers = new Set<() => void>()

  private constructor(reuseAddr: boolean) {
    this.socket = dgram.createSocket({ type: 'udp4', reuseAddr })
    this.socket.on('message', (payload, { address, port }) => {
      this.heard.push({ text: payload.toString('latin1'), address, port })
      for (const watcher of this.#watchers) watcher()
    })
  }

  /**
   * @param port 0 for any
   * @param group a multicast group to join, as Minecraft does
   * @param address left out: all
   */
  static async open(port: number, group?: string, address?: string): Promise<GameSocket> {
    const game = new GameSocket(group !== undefined)
    await new Promise<void>((resolve, reject) => {
      game.socket.once('error', err => {
        game.socket.close()
        reject(err)
      })
      game.socket.bind(port, address, () => resolve())
    })
    game.socket.setBroadcast(true)
    try {
      if (group !== undefined) game.socket.addMembership(group)
    } catch {
      // A machine without a network: nothing comes by multicast.
    }
    return game
  }

  get port(): number {
    return this.socket.address().port
  }

  send(bytes: string, port: number, address: string): void {
    this.socket.send(Buffer.from(bytes, 'latin1'), port, address)
  }

  /** The first datagram that fits, whenever it came. */
  hears(
    fits: (heard: { text: string; address: string; port: number }) => boolean
  ): Promise<{ text: string; address: string; port: number }> {
    return new Promise(resolve => {
      const look = (): void => {
        const found = this.heard.find(fits)
        if (!found) return
        this.#watchers.delete(look)
        resolve(found)
      }
      this.#watchers.add(look)
      look()
    })
  }

  close(): Promise<void> {
    return new Promise(resolve => this.socket.close(() => resolve()))
  }
}

/** What Quake III's client asks, and what its server answers. */
export const GETINFO = '\xff\xff\xff\xffgetinfo xxx'
export const INFO = '\xff\xff\xff\xffinfoResponse\n\\hostname\\stand-in\\challenge\\xxx'

/** A server that answers getinfo and nothing else, on loopback. */
export async function quakeServer(port = 0): Promise<GameSocket> {
  const game = await GameSocket.open(port)
  game.socket.on('message', (payload, from) => {
    if (payload.toString('latin1').startsWith('\xff\xff\xff\xffgetinfo'))
      game.send(INFO, from.port, from.address)
  })
  return game
}

/** What Minecraft says of a world that is open to the LAN. */
export function motd(name: string, port: number): string {
  return `[MOTD]${name}[/MOTD][AD]${port}[/AD]`
}
