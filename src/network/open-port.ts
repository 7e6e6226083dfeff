/**
 * How clients learn of a mapped port, and whether a relay is used with those that need none. hyperdht's answer to a client says either
 * "others reach me: send straight to this address" or "let us punch". It says the former of a node that is reached unasked on the port
 * it has itself; behind a mapping nodes do not find that out, because the port that they see, or the one of the mapping, is another. So
 * the answer is changed on its way.
 *
 * The server expects both then: it punches if it is asked to, and takes what comes to its own port. What it sends back from there
 * leaves the router from the mapped port, because the router remembers the way in.
 *
 * Where one side sends straight to the other, hyperdht's client gives the relay up at once, while its server may join it first and
 * never learns that packets come straight: it answers through a relay that is gone. So such a client is given no relay; and one
 * that has not arrived is given nothing but the relay the next time.
 *
 *     told to come straight --- nothing came, it asks again ---> relay or punch, for a while
 */
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import type { Limits } from '../limits.js'
import type { Clock } from '../util/clock.js'

/** hyperdht's words for a node that others may not reach, and for one that they reach unasked. */
const UNKNOWN = 0
const OPEN = 1

/** What a handshake punches by; no handshake of a server has this number, so that a client who tries gets no answer. */
const NO_HANDSHAKE = 0xff_ff_ff

/** A client that was told to come straight here. */
interface Sent {
  readonly at: number
  /** Whether there is a relay for the case that it cannot. */
  readonly relay: boolean
}

export class OpenPort {
  /** Where others reach us; null: they do not, and are punched. */
  address: HyperDHT.Address | null = null
  readonly #clock: Clock
  readonly #limits: Pick<Limits, 'portDoubtMs' | 'portClients'>
  /** A client that was sent to the address has not arrived, and asks again. */
  onmissed: () => void = () => {}
  /** Clients that were told to come straight here and have not arrived. */
  readonly #sent = new Map<string, Sent>()
  /** Handshakes that may be told, by what the client said in them. */
  readonly #tell = new WeakSet<object>()
  /** Those of clients that go straight, and of clients that could not. */
  readonly #straight = new WeakSet<object>()
  readonly #doubted = new WeakSet<object>()

  constructor(clock: Clock, limits: Pick<Limits, 'portDoubtMs' | 'portClients'>) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Before a client is answered: what it is, and where it comes from. */
  asked(key: Uint8Array, payload: HyperDHT.NoisePayload, client: HyperDHT.Address): void {
    const missed = this.#missed(key)
    if (missed?.relay) {
      this.#doubted.add(payload)
      // Then the server does not send straight to it, either.
      payload.firewall = UNKNOWN
    }
    if (!this.#isFor(payload, client)) return
    if (missed) this.onmissed()
    else this.#tell.add(payload)
  }

  /**
   * Makes the handshakes of a server say where others reach it.
   * @param holders the nodes that know the server
   */
  toldBy(
    create: HyperDHT.CreateHandshake,
    holders: () => readonly unknown[] = () => []
  ): HyperDHT.CreateHandshake {
    return (keyPair, remotePublicKey) => {
      const handshake = create(keyPair, remotePublicKey)
      const recv = handshake.recv.bind(handshake)
      const send = handshake.send.bind(handshake)
      let said: HyperDHT.NoisePayload | null = null
      handshake.recv = noise => {
        said = recv(noise)
        return said
      }
      handshake.send = payload =>
        send(said ? this.#answer(handshake.remotePublicKey, said, payload, holders()) : payload)
      return handshake
    }
  }

  /** What a client is told. */
  #answer(
    key: Uint8Array,
    said: HyperDHT.NoisePayload,
    payload: HyperDHT.NoisePayload,
    holders: readonly unknown[]
  ): HyperDHT.NoisePayload {
    const { address } = this
    const relay = Boolean(payload.relayThrough ?? said.relayThrough)
    if (relay && this.#doubted.has(said)) {
      // hyperdht's client goes straight to a server that cannot be punched.
      if (payload.firewall !== OPEN || holders.length === 0) return payload
      return {
        ...payload,
        firewall: UNKNOWN,
        addresses4: [],
        holepunch: { id: NO_HANDSHAKE, relays: holders }
      }
    }
    const isMapped = address !== null && this.#tell.has(said) && payload.firewall !== OPEN
    const told = isMapped
      ? { ...payload, firewall: OPEN, addresses4: [address, ...(payload.addresses4 ?? [])] }
      : payload
    const isStraight = relay && (told.firewall === OPEN || said.firewall === OPEN)
    if (isMapped || isStraight) this.#remember(key, relay)
    if (!isStraight) return told
    this.#straight.add(said)
    return { ...told, relayThrough: null }
  }

  /** Whether the client of a handshake, by what it said, is to be met at a relay. */
  relays(said: object): boolean {
    return !this.#straight.has(said)
  }

  /**
   * Something has come from a client.
   * @param relayed whether through a relay
   */
  arrived(key: Uint8Array, relayed = false): void {
    const name = b4a.toString(key, 'hex')
    if (!relayed) this.#sent.delete(name)
  }

  #isFor({ firewall }: HyperDHT.NoisePayload, client: HyperDHT.Address): boolean {
    if (!this.address) return false
    // We reach those who are open ourselves. Those in our own LAN would need a router that sends back what comes from inside.
    return firewall !== OPEN && client.host !== this.address.host
  }

  /** What a client was told that has not arrived. Without a relay it is told again the next time. */
  #missed(key: Uint8Array): Sent | null {
    const name = b4a.toString(key, 'hex')
    const sent = this.#sent.get(name)
    if (!sent) return null
    const isOld = this.#clock.now() - sent.at > this.#limits.portDoubtMs
    if (isOld || !sent.relay) this.#sent.delete(name)
    return isOld ? null : sent
  }

  #remember(key: Uint8Array, relay: boolean): void {
    const name = b4a.toString(key, 'hex')
    this.#sent.delete(name)
    if (this.#sent.size >= this.#limits.portClients) this.#sent.delete(this.#sent.keys().next().value!)
    this.#sent.set(name, { at: this.#clock.now(), relay })
  }
}
