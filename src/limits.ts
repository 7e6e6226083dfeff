/**
 * Our table of numbers: every buffer, table, timer and retry that is ours to choose. What both ends must agree on is in
 * the other table, `wire/constants.ts`. Times are milliseconds, sizes bytes, unless a name says otherwise.
 */

const KB = 1024
const MB = 1024 * KB

/** What servers and clients take, keep and wait for; a node may be given others ({@link LIMITS} are the presets). */
export interface Limits {
  /** How long datagrams are still received over a connection after another one has taken over. */
  oldLinkMs: number
  /** Rounds of packets that look for an IPv6 path, and how long between two. */
  ipv6Rounds: number
  ipv6RoundMs: number
  /** Pairs of addresses, one of each side, that they try. */
  ipv6Pairs: number
  /** Packets per second, and at once, to addresses that have not answered yet: of this node to all its peers. */
  ipv6PacketsPerSecond: number
  /** How many of them, at once, peers without a session leave to those with one. */
  ipv6ReservedPackets: number
  /** Packets of one peer that are answered per second, and at once. */
  ipv6AnswersPerSecond: number
  /** Between two searches with one peer, at the least. */
  ipv6RestMs: number
  /** How long a connection that has a direct path is left alone before an IPv6 path is looked for. */
  ipv6CalmMs: number
  /** After a search, or a connection over IPv6, that came to nothing, the first rest and the longest: each is twice the one before. */
  ipv6RetryMs: number
  ipv6RetryMaxMs: number
  /** A connection over IPv6 that is lost sooner has come to nothing. */
  ipv6SteadyMs: number
  /** Answers that a round trip is compared by, and by how much it must be lower than that of the path in use: a share, and ms. */
  ipv6Answers: number
  ipv6BetterShare: number
  ipv6BetterMs: number
  /** How long a connection over IPv6 may take to open. */
  ipv6OpenMs: number
  /** Between two looks at this machine's IPv6 addresses. */
  ipv6WatchMs: number
  /** How long hyperdht may take to open a connection by IPv4 before IPv6 is tried as well; a server waits a little less. */
  ipv6DialMs: number
  ipv6PunchMs: number
  /** How long a server then looks for the client, and for how many at a time. */
  ipv6PendingMs: number
  ipv6Handshakes: number
  /** Seconds without a datagram either way until a UDP flow is forgotten (options: `udpIdle`). */
  udpIdleSeconds: number
  /** Between two looks for such flows, at the most. */
  udpSweepMs: number
  /**
   * UDP flows per session; beyond it the one idle longest makes room, if it has been idle for `udpEvictMs`. If not, a new flow's datagrams
   * are dropped: a local program that takes one port after the other must not end a game's conversation. A program that takes a port for
   * each question, as DNS does, has room for `udpFlowsPerSecond`.
   */
  udpFlows: number
  udpEvictMs: number
  /** Between two notes of a UDP flow's activity: one for each datagram would cost more than it tells. */
  udpTouchMs: number
  /** Datagrams of one flow kept while there is no connection: the latest. */
  udpPending: number
  /** Bytes of such datagrams in all, per session. */
  udpPendingBytes: number
  /** How long such a datagram is worth sending. */
  udpPendingMs: number
  /** Largest UDP payload that is sent twice where that is asked for: one that is alone in its datagram, with its headers. */
  duplicateBytes: number
  /**
   * How long after a datagram its copy is sent. Losses come in bursts of a few milliseconds, so that sooner is not as good; later,
   * a game has gone on without it.
   */
  duplicateMs: number
  /** Copies that wait for their time, per session; what is beyond is sent once. */
  duplicates: number
  /** Guests that are gone of whom a node remembers which player address they had. */
  players: number
  /** TCP flows per session; beyond it a new one is reset. */
  tcpFlows: number
  /**
   * Closed tcpudp flows per session that linger, not counted among the open ones; beyond it the oldest is dropped.
   * Each takes some 10 kB; at 500 a second it stays for 1 s.
   */
  lingeringFlows: number
  /** Numbers of tcpudp flows remembered, so that a late copy opens none twice. */
  usedFlows: number
  /** Bytes that may wait in this process for all peers together, unless the system has less: then a quarter of what it has. */
  processBytes: number
  /**
   * Bytes that may wait for one guest, over all of its sessions: for programs, and for the guest. Flows are lent four fifths of it; beyond
   * it, the largest end.
   */
  keyBytes: number
  /** Bytes that all flows of one guest may be lent for windows beyond the first. */
  keyWindow: number
  /**
   * Bytes that may be kept for a guest none of whose sessions has had a connection for `awayMs`; beyond it, the sessions that keep
   * most end.
   */
  awayBytes: number
  awayMs: number
  /** Bytes that the system may keep for programs that do not read what one guest sends. */
  keyKernelBytes: number
  /** A program that takes nothing for so long does not read. */
  stalledMs: number
  /** Descriptors that are left for files, the control socket and the page. */
  reservedDescriptors: number
  /**
   * Sockets to punch NATs with that may be open at once, one for each handshake of the last 10 s; a quarter of the process's descriptors at
   * the most. Beyond it a punch fails.
   */
  punchSockets: number
  /** New UDP flows of one guest per second, and at once; and of all guests together. What is beyond is dropped. */
  udpFlowsPerSecond: number
  udpFlowBurst: number
  processUdpFlowsPerSecond: number
  /** Bytes of datagrams of one session that wait for the addresses of targets. */
  resolveBytes: number
  /** How long the addresses of a target's name hold. */
  resolveMs: number
  /** A UDP target that has answered before and answers nothing for so long may have another address. */
  targetSilentMs: number
  /** Sessions per server key; beyond it a new client is turned away. */
  sessions: number
  /** Between two looks at whether the time of an invite is over, at the most. */
  expiryLookMs: number
  /** Between two lists of who else is connected, ms. */
  rosterMs: number
  /** Sessions under one client key, unless its invite says for how many devices it is. Beyond it this client is turned away. */
  guestSessions: number
  /** Connections to one server that have not shown yet that they know its key; beyond it the one that takes longest is dropped. */
  greetings: number
  /**
   * Handshakes per minute that a server answers, and prepares a connection for: of all strangers together, and of one address or
   * one known key. Others get no answer. Guests with a name, or with a session, do not count among all: strangers cannot keep them out.
   */
  handshakesPerMinute: number
  addressHandshakesPerMinute: number
  /** Addresses and keys of which it is known how many handshakes came from them. */
  handshakeSources: number
  /** Handshakes per second that are decrypted, to see whose they are, and how many wait for it; others are dropped. Each takes 0.5 to 3 ms. */
  handshakeLooksPerSecond: number
  handshakesWaiting: number
  /** How many of all these there may be at once. */
  handshakeBurst: number

  /** How often the sessions of one key may be resumed per second, and in a burst: a resumption restarts each of their flows. More of them wait. */
  resumptionsPerSecond: number
  resumptionBurst: number
  /** New TCP flows of one guest per second, of either protocol, and how many at once; further ones wait. 0: no limit. */
  flowsPerSecond: number
  flowBurst: number
  /** Frames per second of the ordered streams of one guest, or of a server's hosts together; further ones wait unread. 0: no limit. */
  framesPerSecond: number
  /** Bytes of its frames that wait for that, over all its connections; one with more is dropped, and may be resumed. */
  unreadBytes: number
  /** One that opens a flow at once counts as so many more, since its target is dialled. */
  openFrames: number
  /** Datagrams per second of one guest, or of a server's hosts together, and records in them, that are opened; others are dropped. 0: no limit. */
  datagramsPerSecond: number
  /**
   * A datagram of less than `smallDatagramBytes` counts as so many: receiving one costs as much processor time as receiving a full one,
   * and only full ones come at the rate of a fast line.
   */
  smallDatagrams: number
  smallDatagramBytes: number
  /**
   * So many times {@link flowsPerSecond} and {@link flowBurst} one guest may begin flows over the ARQ, most of which then wait. What
   * begins others is dropped, and sent again by the guest: a flow takes as much processor time as 50 other records.
   */
  arqFlowFactor: number
  /** UDP payloads per second that pass between one guest and its targets, each way; others are dropped. 0: no limit. */
  udpPerSecond: number
  /** Payload bytes of one guest per second, both directions together: TCP waits, UDP is dropped. 0: no limit. */
  guestBytesPerSecond: number
  /**
   * A guest who is alone on the server may use so many times these rates, as may a server that is the only peer of its client, bytes
   * and frames left out: they are there for the others.
   */
  aloneFactor: number
  /** What the last four may save for a burst: so many milliseconds' worth, which is how long others may have to wait for it. */
  rateBurstMs: number
  /** Seconds that a session waits for its client to come back before its flows are reset (options: `resume`). */
  resumeSeconds: number

  /** Bytes that a flow takes from its local socket before it pauses it. */
  flowQueue: number
  /**
   * Bytes of a `tcp` flow that wait to be sent or acknowledged, however many those of its session do together; with more it takes
   * none from its socket while all keep {@link sessionWindow}.
   */
  flowKept: number
  /** Largest window that a flow's reader can grow to. */
  flowWindow: number
  /**
   * Bytes that all TCP flows of a session, of either protocol, may lend each other for windows beyond the first; and that all `tcp`
   * flows may keep until they are acknowledged, before each is held to {@link flowKept}.
   */
  sessionWindow: number
  /** Bytes that wait to be sent or acknowledged in all `tcpudp` flows of a session, beyond a little that each may always have. */
  sessionQueue: number
  /** A reader that empties half its window within this time gets a larger one. */
  windowGrowthMs: number
  /** How long an acknowledgement that nobody waits for may be put off. */
  ackDelayMs: number
  /** How long the reset of a `tcpudp` flow waits for the bytes before it to arrive. */
  resetMs: number
  /** Payload bytes that one message of the ordered stream carries at the most: what a small write may have to wait for. */
  messageBytes: number
  /** A block that such a message is built in, with its frames' headers, and how many are kept for the next ones, in all. */
  messageBlockBytes: number
  messageBlocks: number
  /** Bytes that one flow may send before the next flow's turn. */
  quantum: number
  /**
   * What is handed to the encrypted stream and not sent yet: so many milliseconds at the path's rate, within these bytes.
   * What is beyond waits where priorities still count.
   */
  unsentMs: number
  unsentMinBytes: number
  unsentMaxBytes: number

  /**
   * From so many datagrams of `udp` maps in a second on, either way, a game counts as being played, and for so long afterwards; and
   * from so many tenths of a second with small writes on a thin TCP flow.
   */
  gameDatagrams: number
  gameMs: number
  /** The largest write that is small, and what a thin TCP flow carries in a second at the most, both ways together. */
  thinWriteBytes: number
  thinBytesPerSecond: number
  /** Queueing delay that a bulk transfer may cause beside such a game. */
  delayTargetMs: number
  /** Interval of the pings that measure it. */
  delayPingMs: number
  /** The transfer's initial cwnd cap: ten packets (RFC 6928). */
  delayStartBytes: number
  /** The lowest cwnd cap: a few packets. */
  delayMinBytes: number
  /** The minimum round trip is taken over the current and the previous interval of this length. UDX drains the queue every 10 s. */
  delayBaseMs: number
  /** A transfer that was not limited for this long is over. */
  delayIdleMs: number
  /**
   * So often all sessions halve their caps, or more, for a moment, at the same time: their queues run empty, and each measures the path
   * without the queue of the others.
   */
  delayDrainEveryMs: number

  /** Least time between two lists of port maps, or of guests, that a client reads, ms; of those in between, the last counts. */
  listMs: number
  /**
   * What control frames of a session may take of memory while the connection has no room for them; beyond it the session ends. They
   * count among {@link keyBytes}, too.
   */
  controlBytes: number

  /** Bytes of unfinished UDP payloads, per session; they count among {@link keyBytes}, too. */
  reassemblyBytes: number
  /** Unfinished UDP payloads, per session; beyond it the oldest makes room. */
  reassemblyPayloads: number
  /** How long the pieces of one UDP payload may take to come. */
  reassemblyMs: number
  /** Datagrams handed to the socket and not sent yet; beyond it new ones are dropped. */
  unsentDatagrams: number

  /** In a private network with at most this round trip, `tcp` maps use the ordered stream. */
  lanRttMs: number
  /** How often the datagram size in use is confirmed while large datagrams are sent. */
  mtuConfirmMs: number
  /** How much later than a small datagram a large one that was sent before it may arrive. */
  mtuReorderMs: number
  /** How long the answer to an MTU probe may take. */
  mtuProbeMs: number
  /** Time between two searches for a larger MTU. */
  mtuRaiseMs: number

  /** Between two pings of a session. */
  pingMs: number
  /** Between two pings once an answer is overdue. */
  pingUrgentMs: number
  /** How long a measurement of the path waits for the answer to a ping. */
  answerMs: number
  /** A client that receives nothing for this long dials a second connection. */
  silentMs: number
  /** The same where only its own questions stay unanswered: packets may come through though none get there. */
  deafMs: number
  /** The same after the network has changed. */
  doubtMs: number
  /** An end that receives nothing for this long closes the connection. */
  deadMs: number
  /** How long the other side may take for its first message. */
  greetingMs: number
  /** How long the first dials wait until it is known whether others reach this machine unasked. */
  reachMs: number
  /** How long one dial may take until the connection opens. */
  dialMs: number
  /** How long a server is searched in the LAN where there is no DHT. */
  lanSearchMs: number
  /** How long a connection may be open without a packet from the server: it is dialled again, and a server with a relay offers that alone. */
  firstPacketMs: number
  /** How much longer it may take when the ports of one side have to be tried at random. */
  randomPunchMs: number
  /** A relay that did not answer is passed over for so long, while there are others. */
  relayRestMs: number
  /** The first wait before dialling again, and what each further one is multiplied with. */
  redialMs: number
  redialFactor: number
  /** The longest wait before dialling again: at first, and once the server has been away for `redialPatienceMs`. */
  redialMaxMs: number
  redialSlowMs: number
  redialPatienceMs: number
  /** Ports that are tried for a local port that is in use, where the next free one will do; then it is any free one. */
  nextFreePorts: number
  /** How often ports are chosen again because one was taken before it could be opened. */
  nextFreeTries: number

  /** Hosts of one server that a client keeps sessions with. */
  hosts: number
  /** Hosts of one server that a client knows of, with those that may yet prove to be strangers. */
  knownHosts: number
  /** A host that has sent nothing for so long gets no new flows while another one answers. */
  unsteadyMs: number
  /** A host must have the shorter round trip by so many milliseconds, and by this share, to be preferred for new flows. */
  hostBetterMs: number
  hostBetterShare: number
  /** How long new flows go to a host before another one is preferred for its round trip. */
  hostDwellMs: number
  /** What any host may answer is waited for so long before those that the topic names are dialled. */
  hostHoldMs: number
  /** Dials of hosts that have not proved to be one: at a time, and per minute. */
  hostDials: number
  hostDialsPerMinute: number
  /** The first wait before a host is dialled again, doubled each time, up to the longest. */
  hostRetryMs: number
  hostRetryMaxMs: number
  /** A host that is away is forgotten after so long; the topic may name it again. */
  hostForgetMs: number
  /** A stranger under the topic, or a host that has closed its session, is not dialled for so long; how many are remembered. */
  strangerRestMs: number
  strangers: number
  /** How long the first dial may take before the topic is looked up as well. */
  firstLookUpMs: number
  /** Between two look-ups of the topic: at first, when a host was lost, then doubled up to the longest. */
  lookUpMs: number
  lookUpMaxMs: number
  /** How long a target may take to accept a TCP connection. */
  targetMs: number
  /**
   * Requests to DHT nodes that may be on their way in a slot of 750 ms, and half of what may be in four slots; dht-rpc has 80. What is
   * beyond waits for the next slot, dials, too. hyperdht asks 3 nodes every 3 s for each key that is announced, of which a server has
   * two, and an answer that comes after its slot is counted until that slot comes round again.
   */
  dhtRequests: number
  /** Keys that are announced at a time, each with up to 20 requests. */
  announcing: number
  /** How long the next one waits for one of them at the most. */
  announcingMs: number
  /** Between two looks at whether DHT nodes hold our announcement, and two tries to announce while none does. */
  announceRetryMs: number
  /** Between two such looks while a client waits for them. */
  announceLookMs: number
  /** How long hyperdht's clients wait for the answer to a handshake: a second, four times. */
  dialAnswerMs: number
  /** Between two looks at this machine's addresses and at the time of day. */
  watchMs: number
  /** How far the time of day may run ahead of our timers: further, and the machine has slept. */
  sleepMs: number
  /** After a change of the network was reported, further ones are collected for so long. */
  changeRestMs: number
  /** When requests to DHT nodes time out for so long, and none is answered, the nodes are out of reach. */
  outageMs: number
  /** A DHT node that sees us on another port than so long ago tells that a NAT forgot us; later it may have aged. */
  sightingMs: number
  /** Between two times that DHT nodes are asked whether they see us where they did. */
  askMs: number
  /** How long each of two steps of closing may take before it is forced: closing the sessions, and unannouncing. */
  closeMs: number

  /** UDP that nobody answers for so long is taken to be blocked, and a relay by TCP is used. */
  udpSilentMs: number
  /** UDP is tried again so long after a try without an answer: while no relay by TCP is reached, and while one is used. */
  udpBlockedMs: number
  udpRetryMs: number
  /** How long dials wait, once a relay by TCP is used, until it is known whether others reach us through it. */
  tcpReachMs: number
  /** Between two attempts to connect to a relay by TCP, and between two connections; how many may hang at a time, and how long one may. */
  tcpAttemptMs: number
  tcpAttempts: number
  tcpAttemptTimeoutMs: number
  /**
   * A relay that has been full for `tcpPatienceMs` is tried at growing intervals, up to `tcpSlowMs`.
   */
  tcpPatienceMs: number
  tcpSlowMs: number
  /** How long a relay is left alone that wants another token or version. */
  tcpRefusedMs: number
  /** Between two pings to a relay by TCP, and how long it may be silent before the connection is given up. */
  tcpPingMs: number
  tcpSilentMs: number

  /** Seconds that a router is asked to keep a port mapping; it is renewed at half of it, and gone after it if we crash. */
  portLeaseSeconds: number
  /** How long the router may take to answer that it maps ports: the window of a UPnP search is 3 s. */
  portSearchMs: number
  /** How often a NAT-PMP or PCP request is sent, 250 ms apart and then twice as long each time, until it is given up. */
  portRequests: number
  /** How long the router may take for one UPnP request, with all of its answer. */
  portRequestMs: number
  /** How long removing a port mapping may hold up closing; a router that says nothing drops it when its lease ends. */
  portReleaseMs: number
  /** Between two tries to get a port mapping when there was none to be had. */
  portRetryMs: number
  /** How often others are asked to send to a mapped port before it is taken to be of no use, and how long between. */
  portChecks: number
  portCheckMs: number
  /** A client that was sent to the mapped port and has not arrived when it comes again within this time is punched instead. */
  portDoubtMs: number
  /** Clients of whom it is remembered that they were sent to the mapped port. */
  portClients: number

  /** The least time between two announcements of one game, received or repeated; those between are dropped. */
  announceMinMs: number
  /** A game that announced itself within this time needs nobody to do it. */
  announceFreshMs: number
  /** How many ports are reported on which a shared game is open in place of the one that is shared. */
  gamesElsewhere: number
  /** Queries of this machine's games that are carried: in the long run, and at once after a rest. */
  queriesPerSecond: number
  queriesAtOnce: number
  /** Between two looks at this machine's interfaces, and at ports for LAN discovery that were in use. */
  lanLookMs: number
}

export const LIMITS: Limits = {
  ipv6Rounds: 12,
  ipv6RoundMs: 100,
  ipv6Pairs: 8,
  ipv6PacketsPerSecond: 100,
  ipv6ReservedPackets: 50,
  ipv6AnswersPerSecond: 50,
  ipv6RestMs: 2000,
  ipv6CalmMs: 3000,
  ipv6RetryMs: 15_000,
  ipv6RetryMaxMs: 15 * 60_000,
  ipv6SteadyMs: 60_000,
  ipv6Answers: 4,
  ipv6BetterShare: 0.1,
  ipv6BetterMs: 1,
  ipv6OpenMs: 4000,
  ipv6WatchMs: 2000,
  ipv6DialMs: 1000,
  ipv6PunchMs: 800,
  ipv6PendingMs: 8000,
  ipv6Handshakes: 64,
  oldLinkMs: 1000,
  udpIdleSeconds: 300,
  udpSweepMs: 10_000,
  udpFlows: 1024,
  udpEvictMs: 4000,
  udpTouchMs: 100,
  udpPending: 8,
  udpPendingBytes: 1 * MB,
  udpPendingMs: 3000,
  duplicateBytes: 1000,
  duplicateMs: 8,
  duplicates: 256,
  players: 1024,
  tcpFlows: 2048,
  lingeringFlows: 512,
  usedFlows: 4096,
  processBytes: 256 * MB,
  keyBytes: 60 * MB,
  keyWindow: 16 * MB,
  awayBytes: 8 * MB,
  awayMs: 8000,
  keyKernelBytes: 256 * MB,
  stalledMs: 5000,
  reservedDescriptors: 64,
  punchSockets: 300,
  udpFlowsPerSecond: 250,
  udpFlowBurst: 128,
  processUdpFlowsPerSecond: 2000,
  resolveBytes: 256 * KB,
  resolveMs: 30_000,
  targetSilentMs: 5000,
  sessions: 256,
  expiryLookMs: 60_000,
  rosterMs: 3000,
  guestSessions: 32,
  greetings: 256,
  handshakesPerMinute: 1200,
  addressHandshakesPerMinute: 600,
  handshakeSources: 4096,
  handshakeLooksPerSecond: 200,
  handshakesWaiting: 256,
  handshakeBurst: 100,

  resumptionsPerSecond: 2,
  resumptionBurst: 48,
  flowsPerSecond: 400,
  flowBurst: 100,
  framesPerSecond: 50_000,
  unreadBytes: 8 * MB,
  openFrames: 50,
  datagramsPerSecond: 40_000,
  smallDatagrams: 4,
  smallDatagramBytes: 600,
  arqFlowFactor: 2,
  udpPerSecond: 20_000,
  guestBytesPerSecond: 0,
  aloneFactor: 20,
  rateBurstMs: 25,

  resumeSeconds: 60,

  flowQueue: 256 * KB,
  flowKept: 64 * KB,
  flowWindow: 4 * MB,
  sessionWindow: 64 * MB,
  sessionQueue: 16 * MB,
  windowGrowthMs: 250,
  ackDelayMs: 250,
  resetMs: 2000,
  messageBytes: 64 * KB,
  messageBlockBytes: 66 * KB,
  messageBlocks: 64,
  quantum: 16 * KB,
  unsentMs: 10,
  unsentMinBytes: 32 * KB,
  unsentMaxBytes: 128 * KB,

  gameDatagrams: 5,
  gameMs: 3000,
  thinWriteBytes: 1000,
  thinBytesPerSecond: 64 * KB,
  delayTargetMs: 4,
  delayPingMs: 25,
  delayStartBytes: 14 * KB,
  delayMinBytes: 4 * KB,
  delayBaseMs: 15_000,
  delayIdleMs: 1000,
  delayDrainEveryMs: 5000,

  listMs: 100,
  controlBytes: 4 * MB,

  reassemblyBytes: 4 * MB,
  reassemblyPayloads: 256,
  reassemblyMs: 2000,
  unsentDatagrams: 2048,

  lanRttMs: 1,
  mtuConfirmMs: 300,
  mtuReorderMs: 20,
  mtuProbeMs: 2000,
  mtuRaiseMs: 60_000,

  pingMs: 1000,
  pingUrgentMs: 400,
  answerMs: 2000,
  silentMs: 3000,
  deafMs: 4000,
  doubtMs: 1000,
  deadMs: 15_000,
  greetingMs: 10_000,
  reachMs: 100,
  dialMs: 15_000,
  lanSearchMs: 2500,
  firstPacketMs: 4000,
  randomPunchMs: 25_000,
  relayRestMs: 30_000,
  redialMs: 250,
  redialFactor: 1.6,
  redialMaxMs: 3000,
  redialSlowMs: 15_000,
  redialPatienceMs: 10 * 60_000,
  nextFreePorts: 100,
  nextFreeTries: 5,

  hosts: 8,
  knownHosts: 64,
  unsteadyMs: 1500,
  hostBetterMs: 5,
  hostBetterShare: 0.2,
  hostDwellMs: 30_000,
  hostHoldMs: 2000,
  hostDials: 3,
  hostDialsPerMinute: 20,
  hostRetryMs: 1000,
  hostRetryMaxMs: 5 * 60_000,
  hostForgetMs: 10 * 60_000,
  strangerRestMs: 10 * 60_000,
  strangers: 1024,
  firstLookUpMs: 250,
  lookUpMs: 5000,
  lookUpMaxMs: 60_000,
  targetMs: 15_000,
  dhtRequests: 320,
  announcing: 4,
  announcingMs: 1000,
  announceRetryMs: 2000,
  announceLookMs: 50,
  dialAnswerMs: 4000,
  watchMs: 1000,
  sleepMs: 5000,
  changeRestMs: 2000,
  outageMs: 3000,
  sightingMs: 20_000,
  askMs: 1000,
  closeMs: 1200,

  udpSilentMs: 2500,
  udpBlockedMs: 4000,
  udpRetryMs: 60_000,
  tcpReachMs: 1500,
  tcpAttemptMs: 1000,
  tcpAttempts: 6,
  tcpAttemptTimeoutMs: 10_000,
  tcpPatienceMs: 30_000,
  tcpSlowMs: 30_000,
  tcpRefusedMs: 60_000,
  tcpPingMs: 1000,
  tcpSilentMs: 3000,

  portLeaseSeconds: 1800,
  portSearchMs: 6000,
  portRequests: 3,
  portRequestMs: 3000,
  portReleaseMs: 1000,
  portRetryMs: 15 * 60_000,
  portChecks: 3,
  portCheckMs: 2000,
  portDoubtMs: 60_000,
  portClients: 256,

  announceMinMs: 400,
  announceFreshMs: 6000,
  gamesElsewhere: 8,
  queriesPerSecond: 50,
  queriesAtOnce: 100,
  lanLookMs: 5000
}

/** What a relay gives to those who use it ({@link Limits} is for servers and clients). */
export interface RelayLimits {
  /** Relayed sessions at a time; beyond it new ones are turned away. Each has two connections to itself. */
  sessions: number
  /** Connections to the relay at a time: two for each session, some that wait for their other half. */
  connections: number
  /**
   * Bytes that a client may send on one connection, beside packets of its session. hyperdht sends 89: it asks for one session, by a token
   * of 32 bytes. A client that sends more only fills the relay's tables, and is dropped.
   */
  connectionBytes: number
  /** Bits per second of one session, both directions together; what is beyond waits, and is dropped in the end, as by a slow link. */
  sessionBits: number
  /** Bits per second of all sessions together. */
  totalBits: number
  /** A session may use what it saved, up to so many milliseconds' worth, at once. */
  burstMs: number
  /** What may wait in one direction of a session: so many milliseconds' worth of its rate. */
  queueMs: number
  /** What may wait in all, bytes. */
  queuedBytes: number
  /** A session without a packet for so long is ended: those in use ping every second. */
  idleMs: number
  /** How long a connection may have no session: before its first, where half of it waits for the other half, and after its last. */
  pairMs: number
  /** How long packets of a session that is over are still passed on. */
  lingerMs: number
  /** Between two looks at what is idle. */
  sweepMs: number
}

const MBIT = 1_000_000

export const RELAY_LIMITS: RelayLimits = {
  sessions: 64,
  connections: 192,
  connectionBytes: KB,
  sessionBits: 20 * MBIT,
  totalBits: 100 * MBIT,
  burstMs: 250,
  queueMs: 50,
  queuedBytes: 64 * MB,
  idleMs: 60_000,
  pairMs: 20_000,
  lingerMs: 10_000,
  sweepMs: 5000
}

/** How long the doctor looks, and from where on it finds fault. */
export interface DoctorLimits {
  /** How long the first DHT nodes may take to answer: four tries of a second each, of addresses that are looked up. */
  bootstrapMs: number
  /** DHT nodes that are asked what they see of this machine; from 4 on one liar or one lost answer changes nothing. */
  nodes: number
  /** How long one DHT node may take to answer, with repetitions. */
  nodeMs: number
  /** How long a packet may take that comes unasked, or does not. */
  knockMs: number
  /** Routers on the way that are asked who they are: that of the home, that of a provider, one of a virtual machine. */
  hops: number
  /** How long one of them may take. */
  hopMs: number
  /** How long a machine may take to accept or refuse, when no DHT node answers. */
  contactMs: number
  /** How long the router may take for a port, by all protocols, until others are found to reach it. */
  portMappingMs: number
  /** How often others are asked to send to a mapped port before it is taken to be of no use, and how long between. */
  portChecks: number
  portCheckMs: number
  /** How long the search for the server may take until it counts as not connected: one dial with ports tried at random. */
  connectMs: number
  /** How much longer, once a dial has failed for a reason that may not hold the next time. */
  secondChanceMs: number
  /** How long a relayed session may take to find a direct path. */
  directMs: number
  /** Pings that a connection is measured with, and the time between two of them. */
  pings: number
  pingEveryMs: number
  /** From this share of lost pings on the connection is no good for playing. */
  badLoss: number
  /** From here on players notice: round trip, and how much it varies. */
  slowMs: number
  unsteadyMs: number
  /** How much the wall clock may be set while we look. */
  clockJumpMs: number
}

export const DOCTOR_LIMITS: DoctorLimits = {
  bootstrapMs: 6000,
  nodes: 8,
  nodeMs: 4500,
  knockMs: 1200,
  hops: 4,
  hopMs: 2500,
  contactMs: 2000,
  portMappingMs: 20_000,
  portChecks: 2,
  portCheckMs: 500,
  connectMs: 45_000,
  secondChanceMs: 15_000,
  directMs: 10_000,
  pings: 30,
  pingEveryMs: 100,
  badLoss: 0.1,
  slowMs: 150,
  unsteadyMs: 30,
  clockJumpMs: 2000
}

/** What the control socket takes and keeps; those who use it are programs of the same user. */
export interface ControlLimits {
  /** Bytes of one request. */
  requestBytes: number
  /** Bytes of one answer that are read: a status with thousands of sessions. */
  answerBytes: number
  /** Connections at a time; further ones get an error and are closed. */
  connections: number
  /** Bytes that wait for a slow reader; beyond it no request of its is read, and lines of the log are left out. */
  unreadBytes: number
  /** Events and log lines kept: their number, bytes in all, and bytes of one. */
  journalLines: number
  journalBytes: number
  journalLineBytes: number
  /** How long a daemon may take to say who it is. */
  whoMs: number
  /** How long one may take to open a stream for a command that can do without it. */
  detourMs: number
  /** How long one may take to end, or to do what it was asked for. */
  jobMs: number
  /** Between the two snapshots that rates are computed from, and between two of `status --watch`. */
  sampleMs: number
  watchMs: number
}

export const CONTROL_LIMITS: ControlLimits = {
  requestBytes: 4096,
  answerBytes: 16 * 1024 * 1024,
  connections: 16,
  unreadBytes: 256 * 1024,
  journalLines: 1000,
  journalBytes: 512 * 1024,
  journalLineBytes: 8 * 1024,
  whoMs: 5000,
  detourMs: 1000,
  jobMs: 30_000,
  sampleMs: 500,
  watchMs: 1000
}

/** What the page on this computer takes and shows. */
export interface UiLimits {
  /** Bytes of the body of one request: a form, or a ticket. */
  bodyBytes: number
  /** Bytes of the headers of one request. */
  headerBytes: number
  /** Connections at a time; beyond it new ones are turned away. A browser opens six. */
  connections: number
  /** Windows that show the page at a time: a browser with one connection more for each could not ask for anything else. */
  windows: number
  /** How long the headers of a request, and all of it, may take. */
  headersMs: number
  requestMs: number
  /** How long a browser may take nothing of an answer that waits for it. */
  stalledMs: number
  /** How long the link that a browser was started with holds. */
  codeMs: number
  /** Between two updates of the page, while it is visible. */
  viewMs: number
  /** How long the page waits for a change to be made before it shows how far it is. */
  reloadMs: number
  /** Lines of the log that wait for a window at the most, and characters of each. */
  lines: number
  lineLength: number
  /** Warnings that are shown at a time; older ones make way. */
  warnings: number
}

export const UI_LIMITS: UiLimits = {
  bodyBytes: 16 * KB,
  headerBytes: 16 * KB,
  connections: 32,
  windows: 5,
  headersMs: 1500,
  requestMs: 1500,
  stalledMs: 5000,
  codeMs: 60_000,
  viewMs: 1000,
  reloadMs: 2000,
  lines: 200,
  lineLength: 500,
  warnings: 20
}

/** What is given to those who read metrics. */
export interface MetricsLimits {
  /** Connections at a time; beyond it new ones are closed. */
  connections: number
  /** How long a request may take to arrive. */
  requestMs: number
  /** How long a scraper may take nothing of an answer that waits for it. */
  stalledMs: number
}

export const METRICS_LIMITS: MetricsLimits = {
  connections: 16,
  requestMs: 1500,
  stalledMs: 5000
}

/**
 * Between two looks at whether the options file has changed: twice this is how long it takes to notice, and who was shut out is
 * to be gone within a second.
 */
export const FILE_LOOK_MS = 200

/** Between two notes on how many servers have been announced, where many are, in ms. */
export const ANNOUNCING_TOLD_MS = 5000

/** How long a change of a file waits for another process that changes it, and how long between two looks. */
export const LOCK_MS = 5000
export const LOCK_RETRY_MS = 20

/** How a server watches the programs behind its port maps, in milliseconds. */
export const TARGET_WATCH = {
  /** Time for an answer to a probe. */
  probeMs: 1000,
  /** Until the next look while one is closed: a host who starts the game looks at the page. */
  closedMs: 2000,
  /** Until the next look at the system's table of sockets while all answer. */
  answeringMs: 10_000,
  /** Port maps of a server that are watched at most. */
  maps: 32
} as const

/** How long `connect --udp` waits for another answer once stdin has ended. */
export const CONNECT_QUIET_MS = 2000

/** Least time between two log lines about a target that cannot be reached. */
export const REFUSED_REST_MS = 60_000

/** How long it is not said again in the log that there are too many UDP flows: some programs take a port for each question. */
export const FULL_REST_MS = 60_000

/** Bytes that a UDP socket asks of the kernel, which may give less: room for a burst while this process is busy. */
export const SOCKET_BUFFER = 4 << 20

/**
 * The same for a socket that all sessions share. While one guest floods it, the packets of the others wait behind its own: with this,
 * some 10 ms; with four times as much, 40 ms, and as many are lost.
 */
export const SHARED_SOCKET_BUFFER = 1 << 20

/** Between two tries to open a socket to a UDP target that has no route, or no known name. */
export const UDP_RETRY_MS = 1000

/** Between two writes of when guests were seen last. */
export const SEEN_WRITE_MS = 60_000

/** Least time between two writes of the list of player addresses. */
export const PLAYERS_WRITE_MS = 2000

/** Size in bytes at which a log file is rotated; one older file is kept. */
export const LOG_FILE_BYTES = 10_000_000

/** Bytes of a trace, from which on nothing more is written. */
export const TRACE_FILE_BYTES = 100_000_000

/** How long the system's own programs may take that install a service: a start waits until the daemon is ready. */
export const SERVICE_COMMAND_MS = 120_000

/** How long systemd-notify may take: systemd reads it at once, or hangs. */
export const NOTIFY_MS = 2000

/** Nodes of a DHT of one's own. A look-up asks several nodes, and detecting the kind of a NAT takes 4: with fewer, connections sometimes fail. */
export const ENOUGH_NODES = 4

/** What a server that is its own relay by TCP gives to all its guests together: what its line and its own limits let through. */
export const OWN_RELAY_RATES: Pick<
  RelayLimits,
  'sessionBits' | 'totalBits' | 'burstMs' | 'queueMs' | 'queuedBytes'
> = {
  sessionBits: 1000 * MBIT,
  totalBits: 1000 * MBIT,
  burstMs: 100,
  queueMs: 50,
  queuedBytes: 16 * MB
}

/** What a relay by TCP gives to those who use it (network/tcp-relay); its rates and queue are those of {@link RelayLimits}. */
export interface TcpRelayLimits {
  /** Connections at a time: in all, and of one client address (of IPv6, its /64). */
  connections: number
  addressConnections: number
  /** TCP connections at a time, those included that are no WebSocket yet; the second is not for a reverse proxy on the same machine. */
  tcpConnections: number
  addressTcpConnections: number
  /**
   * New TCP connections of one address per second, and at once; further ones are closed before TLS. Through a reverse proxy on the same
   * machine, WebSockets count in their place. After an outage, all clients of a large household come at once, and some try several times.
   */
  connectionsPerSecond: number
  connectionBurst: number
  /** Sessions at a time, those that wait for their client included: in all, and of one address. */
  sessions: number
  addressSessions: number
  /**
   * Frames of one address per second, and at once; pings are some, and a packet counts twice, since it is sent on. Beyond it no more is
   * read for a while, and packets of what has been read are dropped. A transfer at 100 Mbit/s has 10,000 packets a second.
   */
  framesPerSecond: number
  frameBurst: number
  /** Bytes of packets that are kept for all clients until they have arrived. */
  heldBytes: number
  /** How long the headers of a request and HELLO may take. */
  helloMs: number
  /** A connection that was silent for so long is given up; clients ping every second. */
  silentMs: number
  /** How long a session waits for its client to come back. */
  resumeMs: number
  /** UDP ports of one session, of one address, and of all. */
  sessionSockets: number
  addressSockets: number
  sockets: number
  /** New UDP ports of one session per second in the long run; at once it may have as many as at a time. */
  socketsPerSecond: number
  /** A UDP port without a packet for so long is closed. */
  socketIdleMs: number
  /** New destinations of one session per second in the long run, and at once after a rest. */
  destinationsPerSecond: number
  destinationBurst: number
  /** Destinations of one session that are remembered, and how long without a packet. */
  destinations: number
  destinationMs: number
  /** Between two looks at what is idle, and at whether the certificate has changed. */
  sweepMs: number
  certificateMs: number
}

export const TCP_RELAY_LIMITS: TcpRelayLimits = {
  connections: 256,
  addressConnections: 16,
  tcpConnections: 512,
  addressTcpConnections: 48,
  connectionsPerSecond: 20,
  connectionBurst: 128,
  sessions: 256,
  addressSessions: 32,
  framesPerSecond: 40_000,
  frameBurst: 500,
  heldBytes: 64 * MB,
  helloMs: 5000,
  silentMs: 15_000,
  resumeMs: 30_000,
  sessionSockets: 64,
  addressSockets: 512,
  sockets: 2048,
  socketsPerSecond: 10,
  socketIdleMs: 10 * 60_000,
  destinationsPerSecond: 60,
  destinationBurst: 300,
  destinations: 4096,
  destinationMs: 60_000,
  sweepMs: 5000,
  certificateMs: 10_000
}
