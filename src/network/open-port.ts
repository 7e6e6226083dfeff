/**
 * How clients hear of a mapped port. hyperdht's answer to a client says either "others reach me: send straight to this address"
 * or "let us punch". It says the former of a node that is reached unasked on the port it has itself; behind a mapping nodes do
 * not find that out, because the port that they see, or the one of the mapping, is another. So the answer is changed on its way.
 *
 * The server expects both then: it punches if it is asked to, and takes what comes to its own port. What it sends back from there
 * leaves the router from the mapped port, because the router remembers the way in.
 */
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import type { Limits } from '../limits.js'
import type { Clock } from '../util/clock.js'

/** hyperdht's word for a node that others reach unasked. */
const OPEN = 1

export class OpenPort {
  /** Where others reach us; null: they do not, and are punched. */
  address: HyperDHT.Address | null = null
  readonly #clock: Clock
  readonly #limits: Pick<Limits, 'portDoubtMs' | 'portClients'>
  /** A client that was sent to the address has not arrived, and asks again. */
  onmissed: () => void = () => {}
  /** Clients that were sent to the address and have not arrived yet, and when. */
  readonly #sent = new Map<string, number>()
  /** Handshakes that may be told, by what the client said in them. */
  readonly #tell = new WeakSet<object>()

  constructor(clock: Clock, limits: Pick<Limits, 'portDoubtMs' | 'portClients'>) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Before a client is answered: what it is, and where it comes from. */
  asked(key: Uint8Array, payload: HyperDHT.NoisePayload, client: HyperDHT.Address): void {
    if (this.#isFor(key, payload, client)) this.#tell.add(payload)
  }

  /** Makes the handshakes of a server say where others reach it. */
  toldBy(create: HyperDHT.CreateHandshake): HyperDHT.CreateHandshake {
    return (keyPair, remotePublicKey) => {
      const handshake = create(keyPair, remotePublicKey)
      const recv = handshake.recv.bind(handshake)
      const send = handshake.send.bind(handshake)
      let said: HyperDHT.NoisePayload | null = null
      handshake.recv = noise => {
        said = recv(noise)
        return said
      }
      handshake.send = payload => {
        const { address } = this
        if (!address || !said || !this.#tell.has(said) || payload.firewall === OPEN) return send(payload)
        this.#remember(handshake.remotePublicKey)
        return send({ ...payload, firewall: OPEN, addresses4: [address, ...(payload.addresses4 ?? [])] })
      }
      return handshake
    }
  }

  /** A client's connection is open. */
  arrived(key: Uint8Array): void {
    this.#sent.delete(b4a.toString(key, 'hex'))
  }

  #isFor(key: Uint8Array, { firewall }: HyperDHT.NoisePayload, client: HyperDHT.Address): boolean {
    if (!this.address) return false
    // We reach those who are open ourselves. Those in our own LAN would need a router that sends back what comes from inside.
    if (firewall === OPEN || client.host === this.address.host) return false
    const name = b4a.toString(key, 'hex')
    const since = this.#sent.get(name)
    this.#sent.delete(name)
    if (since === undefined || this.#clock.now() - since > this.#limits.portDoubtMs) return true
    this.onmissed()
    return false
  }

  #remember(key: Uint8Array): void {
    if (this.#sent.size >= this.#limits.portClients) this.#sent.delete(this.#sent.keys().next().value!)
    this.#sent.set(b4a.toString(key, 'hex'), this.#clock.now())
  }
}
