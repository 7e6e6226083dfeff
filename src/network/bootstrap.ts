/**
 * A DHT of one's own: nodes that others start from. A club or company that runs some needs no other machine on the internet;
 * nodes that join them grow the same DHT.
 */
import { lookup } from 'node:dns/promises'
import { EventEmitter } from 'node:events'
import HyperDHT from 'hyperdht'
import { HyperNatError } from '../errors.js'
import type { ServiceEvent } from '../events.js'
import { ENOUGH_NODES } from '../limits.js'
import { checkBootstrap } from '../options/arguments.js'
import { isLoopback, LOCALHOST } from '../text/address.js'
import { listenError } from '../util/listen-error.js'
import { ownAddresses } from './addresses.js'
import { MAX_PING_DELAY_MS } from './internals.js'
import { pathOf } from './path.js'

/** The port that others expect a bootstrap node on. */
export const BOOTSTRAP_PORT = 49737

export interface BootstrapOptions {
  /** UDP port of the first node, 1 to 65535; the others take the ports behind it. */
  port?: number | undefined
  /** IPv4 addresses under which others reach this machine; its own if left out. Each gets all the nodes. That of a router is the only one. */
  hosts?: readonly string[] | undefined
  /** Nodes for each address. */
  nodes?: number | undefined
  /** `host:port` of nodes of a DHT to join; left out: a new one begins here. */
  bootstrap?: readonly string[] | undefined
}

export class BootstrapNodes extends EventEmitter<{ event: [ServiceEvent] }> {
  readonly #options: BootstrapOptions
  readonly #nodes: HyperDHT[] = []
  #closed = false

  /** @throws OptionsError BAD_OPTIONS */
  constructor(options: BootstrapOptions = {}) {
    super()
    checkBootstrap(options, { port: BOOTSTRAP_PORT, nodes: ENOUGH_NODES })
    this.#options = options
  }

  /**
   * Starts the nodes one after the other, each knowing those before it.
   * @throws HyperNatError CLOSED, PORT_IN_USE, LISTEN_FAILED, DHT_UNREACHABLE; ADDRESS_NOT_HERE for one of several addresses
   */
  async start(): Promise<void> {
    this.#check()
    const { port = BOOTSTRAP_PORT, nodes = ENOUGH_NODES } = this.#options
    const own = ownAddresses()
    const hosts = [...new Set(this.#options.hosts ?? [bestAddress(own)])]
    const routers = hosts.find(host => !own.includes(host))
    if (routers !== undefined && hosts.length > 1) {
      throw new HyperNatError(
        'ADDRESS_NOT_HERE',
        `${routers} is not an address of this computer. If a router passes its packets on, its nodes need the ports on all addresses here: name it alone, or start the others by themselves on other ports (--port).`
      )
    }
    // A setting for all machines of a club names these nodes, too, which do not answer before they run.
    const bootstrap = await othersOf(this.#options.bootstrap ?? [], [...hosts, ...own], port, nodes)
    const names: string[] = []
    for (const host of hosts) {
      for (let i = 0; i < nodes && !this.#closed; i++) {
        await this.#startNode(host, port + i, own.includes(host), [...bootstrap, ...names.slice(0, 1)])
        names.push(`${host}:${port + i}`)
      }
    }
    this.#check()
    if (bootstrap.length === 0 && names.length < ENOUGH_NODES) {
      this.emit('event', {
        event: 'warning',
        code: 'FEW_NODES',
        message: `a DHT of ${names.length} is too small to work well until others have joined; ${ENOUGH_NODES} nodes are enough`
      })
    }
    if (!this.#options.hosts && own.length > 1) {
      this.emit('event', {
        event: 'warning',
        code: 'ONE_ADDRESS',
        message: `the nodes answer at ${hosts[0]} alone, of the ${own.length} addresses of this machine; name others with --host`
      })
    }
    this.emit('event', { event: 'ready', mode: 'bootstrap', nodes: names })
  }

  /** @param bound whether the address is one of this machine's; if not, a router passes its packets on to us */
  async #startNode(host: string, port: number, bound: boolean, bootstrap: string[]): Promise<void> {
    // It knows its own address, of which its id is made, and need not wait for others to report it.
    const node = HyperDHT.bootstrapper(port, host, {
      host: bound ? host : '0.0.0.0',
      bootstrap,
      maxPingDelay: MAX_PING_DELAY_MS
    })
    this.#nodes.push(node)
    try {
      await node.fullyBootstrapped()
    } catch (err) {
      this.#check()
      throw listenError(err, 'UDP', port)
    }
    if (bootstrap.length > 0 && node.toArray({ limit: 1 }).length === 0 && !this.#closed) {
      throw new HyperNatError(
        'DHT_UNREACHABLE',
        `None of ${bootstrap.join(', ')} answers: is it running, and reachable?`
      )
    }
  }

  #check(): void {
    if (this.#closed) throw new HyperNatError('CLOSED', 'These nodes are closed.')
  }

  async close(): Promise<void> {
    this.#closed = true
    // A node whose port was taken fails at closing, too.
    await Promise.allSettled(this.#nodes.map(node => node.destroy()))
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Those of the nodes that are not to run here.
 * @param hosts addresses of this machine
 */
export async function othersOf(
  bootstrap: readonly string[],
  hosts: readonly string[],
  port: number,
  nodes: number
): Promise<string[]> {
  const others = bootstrap.map(async name => {
    const at = name.lastIndexOf(':')
    const [node, offset] = [name.slice(0, at), Number(name.slice(at + 1)) - port]
    if (offset < 0 || offset >= nodes) return [name]
    const isHere = node === 'localhost' || (await addressesOf(node)).some(address => hosts.includes(address))
    return isHere ? [] : [name]
  })
  return (await Promise.all(others)).flat()
}

/** @param node an address, a name, or `address@name` */
async function addressesOf(node: string): Promise<string[]> {
  const looks = node.split('@').map(host => lookup(host, { family: 4, all: true }).catch(() => []))
  return (await Promise.all(looks)).flat().map(({ address }) => address)
}

/** The address that most others can reach: a public one before one of the LAN before this machine alone. */
export function bestAddress(addresses: readonly string[]): string {
  return (
    addresses.find(address => pathOf(address) === 'direct') ??
    addresses.find(address => !isLoopback(address)) ??
    LOCALHOST
  )
}
