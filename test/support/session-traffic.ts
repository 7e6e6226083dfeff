/** Flows with a program at each end, and a client that dials again whenever its connection is gone. */
import assert from 'node:assert/strict'
import type { ByteFlow } from '../../src/flows/byte-flow.js'
import { FlowEnd, type FlowEndOptions } from './flow-end.js'
import type { TestClient, TestServer, World } from './session-peers.js'

export interface Pair {
  readonly up: FlowEnd
  /** Null until the OPEN has come. */
  down: FlowEnd | null
}

export class Traffic {
  readonly pairs = new Map<number, Pair>()
  dials = 0

  constructor(
    readonly world: World,
    readonly server: TestServer,
    readonly client: TestClient,
    /** What the program at the server's end does with the flow of this number. */
    readonly serve: (id: number) => FlowEndOptions
  ) {
    server.open = flow => {
      const pair = this.pairs.get(flow.id)
      assert.ok(pair, 'an open for a flow that nobody opened')
      assert.equal(pair.down, null, 'one flow opened twice')
      pair.down = this.#end(flow, flow.id * 2 + 1, flow.id * 2, serve(flow.id))
      this.world.clock.after(0, () => pair.down!.go())
      return null
    }
  }

  #end(flow: ByteFlow, out: number, expected: number, options: FlowEndOptions): FlowEnd {
    return new FlowEnd(flow, out, expected, this.world.clock, options)
  }

  open(options: FlowEndOptions): Pair {
    const flow = this.client.session!.openFlow(1)
    const up = this.#end(flow, flow.id * 2, flow.id * 2 + 1, options)
    const pair: Pair = { up, down: null }
    this.pairs.set(flow.id, pair)
    up.go()
    return pair
  }

  /** Dials again when the connection is gone, looking every `ms`. */
  keepConnected(ms = 20): void {
    const look = (): void => {
      const { client } = this
      if (client.session?.state === 'ended') return
      if (client.connection!.dead || client.connection!.client.gone) {
        this.dials++
        client.dial()
      }
      this.world.clock.after(ms, look)
    }
    look()
  }

  get finished(): boolean {
    return [...this.pairs.values()].every(({ up, down }) => up.closed && down?.closed)
  }

  /** Every byte came, each event once, and nothing is left behind. */
  assertFinished(): void {
    for (const [id, { up, down }] of this.pairs) {
      assert.ok(down, `flow ${id} never reached the server`)
      const where = `flow ${id}: up ${up.written}/${up.options.total} written, ${down.read} read, ${up.heard}; down ${down.written}/${down.options.total} written, ${up.read} read, ${down.heard}`
      assert.equal(down.read, up.options.total, where)
      assert.equal(up.read, down.options.total, where)
      assert.deepEqual(up.heard, ['end', 'close'], where)
      assert.deepEqual(down.heard, ['end', 'close'], where)
    }
    assert.equal(this.client.session!.flows.tcp.flows.size, 0, 'flows left at the client')
    assert.equal(this.server.session.flows.tcp.flows.size, 0, 'flows left at the server')
  }
}
