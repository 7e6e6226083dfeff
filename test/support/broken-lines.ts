/**
 * Lines that claims of docs/security.md rest on, each with what it is broken into and a test that must notice.
 * `test/integration/broken-lines.test.ts` breaks them one at a time.
 */
export interface BrokenLine {
  /** Below src/. */
  readonly file: string
  /** Stands in the file once. */
  readonly line: string
  readonly broken: string
  /** Below test/, and the test's name as docs/security.md has it. */
  readonly test: readonly [file: string, name: string]
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: as the source of the test has it
const JUDGED = ['unit/access/access.test.ts', '${who} is judged'] as const
// biome-ignore lint/suspicious/noTemplateCurlyInString: as the source of the test has it
const BREAKS_RULES = ['sim/session-hostile.test.ts', '${name} ends this session, and no other'] as const
const FLIPPED = ['unit/datagrams/seal.test.ts', 'each flipped bit is seen, and moves nothing'] as const
const MAY_USE = [
  'unit/access/access.test.ts',
  'a guest may use its maps, in their protocol, and devices up to the limit'
] as const

export const BROKEN_LINES: readonly BrokenLine[] = [
  // --- access ---
  {
    file: 'access/access.ts',
    line: 'if (!grant) return this.isPrivate ? NOT_INVITED : ANYBODY',
    broken: 'if (!grant) return ANYBODY',
    test: JUDGED
  },
  {
    file: 'access/access.ts',
    line: 'return grant.expires <= now ? INVITE_EXPIRED : grant',
    broken: 'return grant',
    test: JUDGED
  },
  {
    file: 'access/access.ts',
    line: 'return this.isPrivate && this.judge(key, now) instanceof HyperNatError',
    broken: 'return false',
    test: JUDGED
  },
  {
    file: 'access/access.ts',
    line: 'return maps === null || maps.has(mapKey(map))',
    broken: 'return true',
    test: MAY_USE
  },
  {
    file: 'access/access.ts',
    line: 'return devices < (maxDevices ?? most) ? null : TOO_MANY_DEVICES',
    broken: 'return null',
    test: MAY_USE
  },
  {
    file: 'access/players.ts',
    line: 'if (!this.#taken.has(number)) return number',
    broken: 'return number',
    test: ['unit/access/players.test.ts', 'two guests who are here never share an address']
  },
  {
    file: 'server/guests.ts',
    line: 'return guest && b4a.equals(guest.key, key) ? guest : undefined',
    broken: 'return guest',
    test: [
      'unit/server/guests.test.ts',
      'a session is found by its name, and only by the client who began it'
    ]
  },
  {
    file: 'server/guests.ts',
    line: 'const out = this.#greediest(strangers)',
    broken: 'const out = undefined as Guest | undefined',
    test: [
      'unit/server/guests.test.ts',
      'a guest with a name takes the place of a stranger: of the one with most sessions, and the latest of them'
    ]
  },
  {
    file: 'server/shared-maps.ts',
    line: 'return map?.proto === proto && mayUse(grant, map) ? map : undefined',
    broken: 'return map',
    test: [
      'unit/server/shared-maps.test.ts',
      'a grant opens a map by its number, its protocol, and with permission'
    ]
  },
  {
    file: 'session/handshake.ts',
    line: 'if (!sodium.sodium_memcmp(proof, proofOf(sharedKey, link.handshakeHash))) {',
    broken: 'if (proof.byteLength === 0) {',
    test: ['unit/session/handshake.test.ts', 'a proof from another handshake is worth nothing']
  },
  {
    file: 'flows/tcp-flows.ts',
    line: 'if (!flow && (id === 0 || id > this.#highest))',
    broken: 'if (id < 0)',
    test: BREAKS_RULES
  },
  {
    file: 'identity/guest.ts',
    line: '[CONTEXT, nonce, b4a.from(name)]',
    broken: '[CONTEXT, b4a.from(name)]',
    test: [
      'unit/identity/guest.test.ts',
      'another name, nonce or secret gives another key, and none is the server'
    ]
  },
  {
    file: 'http/server.ts',
    line: 'if (latest && !latest.writableEnded) return void socket.destroy()',
    broken: '',
    test: [
      'unit/http/server.test.ts',
      'a client that pipelines requests is disconnected before the second is answered'
    ]
  },
  {
    file: 'http/server.ts',
    line: 'if (response.writableLength > 0) socket.destroy()',
    broken: '',
    test: ['unit/http/server.test.ts', 'a client that takes nothing of its answer is disconnected']
  },
  {
    file: 'ui/keys.ts',
    line: 'return equal(authorization.slice(SCHEME.length), this.token)',
    broken: 'return this.token.startsWith(authorization.slice(SCHEME.length))',
    test: ['unit/ui/keys.test.ts', 'only the whole token is let in, and each start has another']
  },
  {
    file: 'control/place.ts',
    line: 'return found.isDirectory() && found.uid === uid && (found.mode & OTHERS) === 0',
    broken: 'return found.isDirectory()',
    test: ['unit/control/place.test.ts', 'a folder of ours is for its owner only, or not used']
  },
  // --- sealing ---
  {
    file: 'datagrams/seal.ts',
    line: 'const counter = this.#counter++',
    broken: 'const counter = this.#counter',
    test: ['unit/datagrams/seal.test.ts', 'OpenSSL opens what we seal, and no counter comes twice']
  },
  {
    file: 'datagrams/seal.ts',
    line: "if (!this.#window.accept(high * TWO_32 + this.#view.getUint32(0, true))) return 'replayed'",
    broken: '',
    test: ['unit/datagrams/seal.test.ts', 'a copy is dropped']
  },
  {
    file: 'datagrams/seal.ts',
    line: "} catch {\n      return 'forged'",
    broken: '} catch {',
    test: FLIPPED
  },
  {
    file: 'datagrams/seal.ts',
    line: "} catch {\n      return 'forged'",
    broken:
      "} catch {\n      this.#window.accept(high * TWO_32 + this.#view.getUint32(0, true))\n      return 'forged'",
    test: FLIPPED
  },
  {
    file: 'datagrams/replay.ts',
    line: '} else if (this.#newest - counter >= this.#size) {',
    broken: '} else if (counter < 0) {',
    test: ['unit/datagrams/seal.test.ts', 'late ones are taken within the window, and not behind it']
  },
  // --- limits ---
  {
    file: 'access/handshakes.ts',
    line: 'if (!bucket.has(1, now) || !(known || this.#strangers.has(1, now))) return false',
    broken: 'if (!(known || this.#strangers.has(1, now))) return false',
    test: [
      'unit/access/handshakes.test.ts',
      'a flood from one address is held to its rate, and others do not notice'
    ]
  },
  {
    file: 'access/handshakes.ts',
    line: 'if (!known) this.#strangers.take(1)',
    broken: '',
    test: [
      'unit/access/handshakes.test.ts',
      'a flood from many addresses is held to the rate of all strangers'
    ]
  },
  {
    file: 'flows/rate-limiter.ts',
    line: 'if (!this.#flows || this.#flows.enter()) {',
    broken: 'if (this.#flows !== undefined) {',
    test: [
      'unit/flows/rate-limiter.test.ts',
      'flows beyond the burst wait for the rate, in their order, and none is lost'
    ]
  },
  {
    file: 'flows/udp.ts',
    line: 'if (now - oldest.activeAt < this.limits.udpEvictMs) return false',
    broken: '',
    test: ['unit/flows/udp.test.ts', 'a flow in use makes no room, however many others want one']
  },
  {
    file: 'server/guests.ts',
    line: 'this.of(key)[0]?.session.deps.rateLimiter ??',
    broken: '(null as RateLimiter | null) ??',
    test: [
      'unit/server/guests.test.ts',
      'sessions of one key share a rate limiter, and a lone guest gets a multiple of the rates'
    ]
  },
  {
    file: 'network/relay-places.ts',
    line: 'if (this.#named && this.#strangers >= Math.ceil(connections * (1 - NAMED_SHARE))) return false',
    broken: '',
    test: [
      'unit/network/relay-places.test.ts',
      'strangers from everywhere leave half of the connections to servers that are named'
    ]
  },
  {
    file: 'session/frame-reader.ts',
    line: 'if (!this.deps.rateLimiter!.unread.borrow(cost)) {',
    broken: 'this.deps.rateLimiter!.unread.charge(cost)\n      if (cost < 0) {',
    test: [
      'unit/session/frame-reader.test.ts',
      'what waits is bounded over all connections of a guest, and released as it is read'
    ]
  },
  {
    file: 'session/frame-reader.ts',
    line: 'this.link.pause()',
    broken: '',
    test: [
      'unit/session/frame-reader.test.ts',
      'the link is paused while a frame waits, and until the last of them is read'
    ]
  },
  {
    file: 'session/session.ts',
    line: 'if (this.#control.used <= this.#control.size) return',
    broken: 'if (this.#control.used >= 0) return',
    test: [
      'sim/session-hostile.test.ts',
      'opens of maps that are not shared, whose answers are never taken, do not fill the memory'
    ]
  },
  {
    file: 'flows/tcpudp-flows.ts',
    line: 'if (!this.#hasRoom || !this.outside.mayOpen()) return',
    broken: 'if (!this.outside.mayOpen()) return',
    test: [
      'sim/session-memory.test.ts',
      'flows for which the guest has no room begin when others are over, and none is refused'
    ]
  },
  {
    file: 'sockets/resources.ts',
    line: "while (key.isOver && ended === 'flow') ended = key.endLargest()",
    broken: '',
    test: [
      'unit/sockets/resources.test.ts',
      'a key over its limit loses its largest flows, others keep theirs, and memory is released'
    ]
  },
  {
    file: 'sockets/resources.ts',
    line: 'const greediest = this.#greediest(one => one.memory.used, keys)',
    broken: 'const greediest = this.#greediest(one => -one.memory.used, keys)',
    test: [
      'unit/sockets/resources.test.ts',
      'when the process is short, the greediest key loses flows first, and the log says so once'
    ]
  },
  {
    file: 'sockets/key-usage.ts',
    line: 'this.gaps = new Budget(this.memory.size / 6, this.memory)',
    broken: 'this.gaps = new Budget(this.memory.size, this.memory)',
    test: [
      'unit/sockets/resources.test.ts',
      'bytes behind gaps, of all sessions of a key, have a sixth of its memory, which they are charged to'
    ]
  },
  {
    file: 'sockets/key-usage.ts',
    line: 'if (this.memory.used + SOCKET_BYTES > this.bytes || !this.resources.makeRoom(this)) return null',
    broken: 'if (!this.resources.makeRoom(this)) return null',
    test: ['unit/sockets/resources.test.ts', 'a key without room is refused a socket, and loses none']
  },
  {
    file: 'sockets/tcp.ts',
    line: 'const most = first ? LEAST_READ_BYTES : Math.max(LEAST_READ_BYTES, room() * READ_SHARE)',
    broken: 'const most = READ_BYTES',
    test: [
      'unit/sockets/tcp.test.ts',
      'a socket to a target reads a share of what is free, and little at first'
    ]
  },
  {
    file: 'network/stream-link.ts',
    line: "if (tooMuch) this.#stream.destroy(protocolError('packets without end behind one that it does not send'))",
    broken: '',
    test: [
      'unit/network/stream-link.test.ts',
      'a stream of which much arrives behind a gap is ended, with a code'
    ]
  },
  {
    file: 'network/internals.ts',
    line: 'super({ ...options, maxPingDelay: MAX_PING_DELAY_MS })',
    broken: 'super(options)',
    test: ['unit/network/internals.test.ts', 'a ping that wants its answer later is not kept']
  },
  {
    file: 'network/internals.ts',
    line: "throw new Error('The handshake cannot be read.', { cause })",
    broken: 'throw cause',
    test: [
      'unit/network/internals.test.ts',
      'a first message that is too short for its seal is refused, and is no mistake of ours'
    ]
  },
  {
    file: 'sockets/key-usage.ts',
    line: 'if (held <= limits.awayBytes) return',
    broken: 'return',
    test: [
      'unit/sockets/resources.test.ts',
      'a guest who is away keeps a little, and the sessions that keep most end when that was exceeded for a while'
    ]
  },
  {
    file: 'sockets/resources.ts',
    line: 'if (peak >= RELEASED_BYTES) this.released()',
    broken: '',
    test: [
      'unit/sockets/resources.test.ts',
      'when a key that used much is gone, garbage may be collected; a small one leaves none worth it'
    ]
  },
  {
    file: 'sockets/udp-target.ts',
    line: 'if (this.#waiting.length >= MAX_WAITING || !this.#deps.waiting.borrow(payload.byteLength)) return',
    broken: 'this.#deps.waiting.charge(payload.byteLength)',
    test: ['unit/sockets/udp-target.test.ts', 'flows of one name share a look-up and a budget for what waits']
  },
  {
    file: 'network/internals.ts',
    line: 'if (this._socketPool._sockets.size < most && hasFreeDescriptor()) return this.#acquire()',
    broken: 'if (most >= 0) return this.#acquire()',
    test: [
      'unit/network/dht.test.ts',
      'a NAT that cannot be punched, for want of a socket, ends nothing, and the log says so once'
    ]
  },
  {
    file: 'network/tcp-relay/udp-probe.ts',
    line: 'if (err) return done(false)',
    broken: '',
    test: [
      'unit/network/tcp-relay/udp-probe.test.ts',
      'an address that the system does not connect to is a refusal'
    ]
  },
  {
    file: 'network/ipv6/search.ts',
    line: '}, history.waitMs)',
    broken: '})',
    test: [
      'unit/network/ipv6/search.test.ts',
      'a server that says the same again has nothing tried again before its time'
    ]
  },
  {
    file: 'programs/connection-owner.ts',
    line: 'if (there.includes(local) && here.includes(remote) && state === ESTABLISHED) return Number(uid)',
    broken: 'if (there.includes(local) && here.includes(remote) && state) return Number(uid)',
    test: [
      'unit/programs/connection-owner.test.ts',
      'a connection that has ended, or another one from the same port, tells nothing about this one'
    ]
  }
]
