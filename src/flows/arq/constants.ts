/**
 * The ARQ's numbers, all of them. Times are milliseconds and sizes bytes unless a name says otherwise. The first part is
 * the wire's: both ends must agree on it. The second part is ours: an end may choose others and still be understood.
 */

// --- The wire's ---------------------------------------------------------------------------------------------------------

/** Longest opaque `open` payload: a map id, a port and some flags, repeated in each segment until the first ack. */
export const OPEN_MAX = 64
/**
 * Bytes that either end may send before it has received a window: the initial congestion window (RFC 6928: ten segments)
 * with some room. No receiver may offer less, so the smallest window is this too.
 */
export const INITIAL_WINDOW = 16 * 1024
/** Ack ranges that one segment may hold; more is a protocol error, so that decoding needs a fixed amount of memory. */
export const RANGES_MAX = 64
/** Ack delay travels in units of 1/8 ms: fine enough for a LAN, and one or two bytes long (RFC 9000 19.3 has 8 us). */
export const ACK_DELAY_UNITS_PER_MS = 8
/** Smallest `mtu` that may be set: header with open payload, a few ranges and some data still fit. */
export const MTU_MIN = 200
/** Reset code: the peer broke this protocol. */
export const RESET_PROTOCOL = 1
/** Reset code: a segment came for a flow that is not known (any more). */
export const RESET_UNKNOWN_FLOW = 2
/** Reset codes from here on mean what the session says. */
export const RESET_SESSION_FIRST = 16

// --- Ours: buffers ------------------------------------------------------------------------------------------------------

/** Largest receive window: above 1 Gbit/s x 40 ms (5 MB). Memory is taken only as data lies unread or out of order. */
export const RECEIVE_WINDOW_MAX = 8 * 1024 * 1024
/** Receive window at first; doubles each time the peer says that it is held up while our reader keeps up. */
export const RECEIVE_WINDOW_START = 256 * 1024
/**
 * A window grows to at most this share of what is left to borrow, for the flows of the session and for all of the peer's: one alone
 * gets all that it can use, and many leave something to the next one. Of 16 MB the first can have 4 MB, the next three 2 MB each.
 */
export const WINDOW_SHARE = 1 / 3
/** The same for a window at first: those of 300 idle flows leave a third to flows that need it. */
export const WINDOW_START_SHARE = 1 / 256
/** First allocation for received bytes, and what an idle flow keeps at most. */
export const INBOX_START = 16 * 1024
/** Ranges of bytes kept beyond gaps; a segment that would make one more is dropped, and is sent again. */
export const RANGES_KEPT_MAX = 2048
/** Within that, one range for so many bytes of the window: small windows must not cost more for their gaps than for bytes. */
export const RANGE_BYTES = 512
/** But so many at least, for small messages of which every other one is missing. */
export const RANGES_KEPT_MIN = 128
/** Most bytes kept unacknowledged by the sender: the peer's largest window, for as long as acks take. */
export const SEND_BUFFER_MAX = 8 * 1024 * 1024
/** Bytes that write() takes ahead at least; above, two congestion windows, so that memory follows need. What has come does not count. */
export const SEND_BUFFER_MIN = 128 * 1024
/** What it takes however much the session's flows hold: a writer with less would wait for each ack, and a thousand may hold it each. */
export const SEND_BUFFER_LEAST = 16 * 1024
/** Beyond that, a flow holds at most this share of what the session's flows may still hold: of 16 MB, two can have 4 MB each. */
export const SEND_BUFFER_SHARE = 1 / 2
/** A writer that was refused is called again once there is this much room, so that it is not called for crumbs. */
export const WRITABLE_ROOM = 16 * 1024
/** Writes up to this size are copied together, so that a thousand tiny writes do not keep a thousand buffers. */
export const SMALL_WRITE = 512
/** Size of the buffers that small writes are copied into. */
export const SMALL_WRITE_SLAB = 4096
/** Slots for sent packets at first; doubles as needed. */
export const SENT_SLOTS_START = 16
/** From so many slots on, all but a few are given back once those have been enough for a while: a flow may say little for hours after a burst. */
export const SENT_SLOTS_MANY = 256
export const SENT_SLOTS_FEW = 64
/** Such a while, in ms: on a fast path, the packets on their way are many and few by turns, hundreds of times a second. */
export const SENT_SLOTS_QUIET = 1000
/** Slots that are kept while a flow lingers: it sends nothing that is acked, and thousands of flows may linger. */
export const SENT_SLOTS_LINGER = 1
/** Slots for sent packets at most: 2 x 1 Gbit/s x 40 ms of 1200-byte packets, with room. */
export const SENT_SLOTS_MAX = 32768
/** Of those, so many are for what is sent again, and for probes: a path may be silent for minutes. */
export const SENT_SLOTS_SPARE = 1024

// --- Ours: acks ---------------------------------------------------------------------------------------------------------

/** A lone segment is acked after this at the latest; an answer of the local service within it carries the ack. */
export const ACK_DELAY = 4
/** From the second unacked segment on, acks keep this distance, so that one ack tells of many segments at high rates. */
export const ACK_GAP = 1
/** With this many unacked segments the ack goes at once, however soon after the last (RFC 9000 13.2.2 says 2). */
export const ACK_EVERY = 12
/** Acks that tell of a gap go at once but for this distance: under jitter each segment would otherwise have its own. */
export const ACK_GAP_REORDER = 0.5
/** Bytes that an ack block may take in a segment that carries data too, and half of the segment at most. */
export const ACK_ROOM = 100
/** Ranges in one ack: at 20 % loss they reach back 100 segments and more, so that many acks may be lost. */
export const ACK_RANGES = 24

// --- Ours: round trip and loss ------------------------------------------------------------------------------------------

/** Round trip supposed before the first sample, for the first retransmission (RFC 6298 2.1 has 1 s, RFC 9002 333 ms). */
export const RTT_INITIAL = 200
/** Clock granularity G of RFC 6298; also the least distance of timers. */
export const GRANULARITY = 1
/** Longest probe timeout: a path that comes back is noticed within this. RFC 6298 2.5 allows a bound. */
export const PTO_MAX = 2000
/** Probe timeouts, without doublings, that pass without an ack until congestion counts as persistent (RFC 9002 7.6.1). */
export const PERSISTENT_THRESHOLD = 3
/** Ack delay of the peer that a probe timeout allows for: ACK_DELAY and the coarseness of its timers. */
export const PEER_ACK_DELAY = ACK_DELAY + 2
/** Later packets after which a missing one is lost, until reordering has been seen (RFC 8985 6.2, RFC 9002 6.1.1). */
export const REORDER_PACKETS = 3
/** Share of the least round trip that a packet may be late before it is lost, at least (RFC 8985 6.2: 1/4). */
export const REORDER_SHARE = 1 / 4
/** Round trips without a spurious loss after which the reordering window shrinks again (RFC 8985 6.2: 16 recoveries). */
export const REORDER_MEMORY_ROUNDS = 64
/** Packets sent by an expired probe timeout from the second on; the first sends one (RFC 9002 6.2.4: up to two). */
export const PROBES = 2
/**
 * From the second one on, probes of a path, and all of a closed window, come sooner by up to this share, at random: those that come
 * every 2 s would all be lost where something silences the path every 2 s.
 */
export const PROBE_SPREAD = 0.5
/** Longest pause between probes of a closed window (RFC 9293 3.8.6.1); a lost window update is repeated anyway. */
export const PERSIST_MAX = 5000

// --- Ours: redundancy of thin flows -------------------------------------------------------------------------------------

/** A flow is thin while its unacknowledged bytes fit in this many segments. */
export const THIN_SEGMENTS = 2
/** Earlier small segments repeated in a new one while loss is rare ... */
export const THIN_REPEATS = 2
/** ... and when loss was seen lately. */
export const THIN_REPEATS_LOSSY = 3
/** Loss counts as seen lately for this long. */
export const LOSS_MEMORY = 15000
/** A lone small segment is sent again after this share of a round trip when loss was seen lately ... */
export const COPY_SHARE_LOSSY = 1 / 8
/** ... within these bounds: sooner would fall into the same burst, later would cost what it is to save. */
export const COPY_MIN_LOSSY = 3
export const COPY_MAX_LOSSY = 10
/** Without loss lately the copy waits for half a round trip, within these bounds: the first loss costs only that. */
export const COPY_SHARE = 1 / 2
export const COPY_MIN = 8
export const COPY_MAX = 40
/** Lone segments are sent a third time when more than this share of the packets is lost. */
export const COPY_TWICE_LOSS = 0.08
/** Repeated bytes per millisecond that a thin flow may cost (64 kB/s), and how many it may save up. */
export const THIN_BUDGET_PER_MS = 64
export const THIN_BUDGET_BURST = 8192

// --- Ours: pacing -------------------------------------------------------------------------------------------------------

/**
 * Bytes that pacing and congestion control count for each segment besides its own: IP, UDP, flow id and seal. Without
 * it, hundreds of one-byte segments would pass as next to nothing.
 */
export const PACKET_OVERHEAD = 60
/** Packets that may leave at once before the first round-trip sample (RFC 6928). */
export const INITIAL_PACKETS = 10
/** A sender that was idle may send this much time's worth at once: the granularity of timers, twice. */
export const PACE_BURST = 2
/** A sender held back by the pacer catches up on this much time when its update comes late. */
export const PACE_LATE = 12
/** The pacer asks to be woken no more often than this, and then sends as much as has become due. */
export const PACE_QUANTUM = 1
/** Least burst in packets, whatever the rate. */
export const PACE_PACKETS = 2

// --- Ours: congestion control (draft-ietf-ccwg-bbr unless said otherwise) -----------------------------------------------

/** Least congestion window in packets (BBRMinPipeCwnd). */
export const WINDOW_MIN_PACKETS = 4
/** Pacing gain of startup (BBRStartupPacingGain: 4 ln 2). */
export const STARTUP_GAIN = 2.77
/** Window gain of startup (BBRStartupCwndGain). */
export const STARTUP_WINDOW_GAIN = 2
/** Pacing gain of drain: empties within about a round trip what startup has queued. */
export const DRAIN_GAIN = 0.5
/** Startup ends when bandwidth has not grown by this factor ... */
export const FULL_GROWTH = 1.25
/** ... in so many rounds. */
export const FULL_ROUNDS = 3
/**
 * ... each counted so much when all was in flight that the peer's window lets be: there will be no more to find, unless that window is
 * growing, which takes longer where packets are lost.
 */
export const FULL_WINDOW_SHARE = 0.5
/** ... or when the queue has overflowed, by so many packets of a round: fewer may be the path's own loss, of which little is known yet. */
export const FULL_LOST_PACKETS = 8
/** Pacing gains of the phases of probe-bw. */
export const UP_GAIN = 1.25
export const DOWN_GAIN = 0.8
export const CRUISE_GAIN = 0.99
/**
 * Pacing gain of cruise after a round of which every packet met a queue. What several flows take their shares to be adds up to more
 * than the path; at full rate the queue would stand, each flow be held by its window, and shares stay as they are.
 */
export const QUEUE_GAIN = 0.9
/** Window gain of probe-bw: room for delayed and aggregated acks; the queue that we may cause is bounded by it. */
export const WINDOW_GAIN = 1.5
/** In-flight share of the estimated pipe at which probing up has seen enough. */
export const UP_TARGET = 1.25
/** When it found so many times the rate from before, the next one lasts twice as many rounds: startup may have ended too soon ... */
export const UP_FOUND = 1.05
/** ... up to so many. */
export const UP_ROUNDS_MAX = 4
/** Cruise lasts this many round trips, plus up to as many again at random, so that flows do not probe in step ... */
export const CRUISE_ROUNDS = 3
/** ... but no longer than this. */
export const CRUISE_MAX = 1500
/** Rounds after which draining ends even if in flight is still above the target: jitter looks like a queue. */
export const DOWN_ROUNDS_MAX = 3
/** Loss above the path's own that probing may cost (BBRLossThresh). */
export const LOSS_EXCESS = 0.02
/** Standard deviations of chance by which loss must exceed the path's own as well: with few losses their tail is long. */
export const LOSS_CHANCE = 3.5
/** Packets that must have been lost while probing, and in a round of cruising, before it means anything. */
export const LOSS_PACKETS_MIN = 4
export const LOST_MIN = 2
/** A packet is slow if it leaves at this share at most of what the path has delivered in the last three rounds. */
export const SLOW_SHARE = 0.92
/** Rounds after which losses are compared again with those of slow packets. */
export const SLOW_ROUNDS = 25
/** Slow packets whose loss is measured together: half a pipe, within these bounds ... */
export const SLOW_BATCH_MIN = 20
export const SLOW_BATCH = 150
/** ... and batches of which the one with the least loss counts. */
export const SLOW_BATCHES = 4
/** Before the first batch, the path counts as one that lost nothing of so many packets. */
export const SLOW_SEEN_MIN = 50
/** From this loss rate on, a path loses in bursts. */
export const LOSS_MUCH = 0.05
/** A higher loss rate is not taken for the path's own. */
export const PATH_LOSS_MAX = 0.3
/** Factor by which in flight shrinks after queue overflow (BBRBeta; CUBIC, RFC 9438, has 0.7 too). */
export const BETA = 0.7
/** CUBIC's C, packets per s^3 (RFC 9438). */
export const CUBIC = 0.4
/** Rounds after a cut in which losses tell of what was sent before it; in as many more it is verified, and there is no other one. */
export const CUT_ROUNDS = 3
/** A cut is undone if this share of the loss before it goes on after it. */
export const CUT_IN_VAIN = 0.3
/** After a cut, probing up waits for this share of the time that the ceiling takes to regrow: others need it to find their share. */
export const HOLD = 0.6
/** The ceiling rises while this share of it is in flight. */
export const CEILING_USED = 0.9
/** ... in a round of probing by this share of it at most. */
export const PROBE_GROWTH_MAX = 1 / 4
/** A cut is early when it comes within this share of the time that the ceiling takes to regrow, or so many rounds ... */
export const EARLY_CUT = 0.6
export const EARLY_ROUNDS = 9
/** ... and when early cuts have brought in flight to this share of what it was, losses are another's (BBR version 1 in a short queue) ... */
export const EARLY_SHARE = 0.5
/** ... and the delivery rate is this share of that at the cut before: who yields to a policer delivers as much as before ... */
export const EARLY_RATE_SHARE = 0.9
/** ... and ignored for so many rounds, twice as many if that begins again at once, up to a limit. */
export const LOSS_IGNORED_ROUNDS = 200
export const LOSS_IGNORED_ROUNDS_MAX = 1600
/** Share of the long-term ceiling used outside of probing: headroom for newcomers (BBRHeadroom is 0.15). */
export const HEADROOM = 0.85
/** A round saw no queue when its least round trip was at most this share of the path's, and so many ms. */
export const CLEAR_SHARE = 1.1
export const CLEAR_SLACK = 1
/** Jitter raises the mean round trip above the least: the pipe is taken to be at most this much longer for it. */
export const JITTER_SHARE_MAX = 1.5
/** Largest loss rate that pacing makes up for by sending more. */
export const LOSS_COMPENSATED_MAX = 0.1
/** Memory of the least round trip (BBR: 10 s), after which in flight is cut for a moment to measure it again. */
export const MIN_RTT_MEMORY = 10000
/** How long in flight stays cut (BBRProbeRTTDuration). */
export const PROBE_RTT_TIME = 200
/** In-flight share of the pipe meanwhile (BBRProbeRTTCwndGain). */
export const PROBE_RTT_GAIN = 0.5
/**
 * A queue is another's, who does not make room for anybody (BBR version 1 keeps twice the pipe in flight), when of this
 * many rounds and up to as many before ...
 */
export const COMPETING_ROUNDS = 12
/** ... this share ... */
export const COMPETING_SHARE = 0.85
/** ... had a mean round trip above so many times the least. Flows of our kind stay below, CUBIC is so only at its top. */
export const COMPETING_QUEUE = 1.75
/** Rounds after in flight was cut to measure the least round trip: they tell of the cut, not of another's queue. */
export const COMPETING_REST = 6
/** Competing with such a flow, the window is so many times what keeps our share of the path as it is now ... */
export const COMPETING_GAIN = 1.3
/** ... but this many pipes at most, as BBR version 1 keeps itself ... */
export const COMPETING_PIPES = 2.2
/** ... unless the mean round trip is so many times the least: then another flow is bound by losses only ... */
export const COMPETING_LOSS_BASED = 3
/** ... probing up takes so many rounds, since in flight is above the pipe from the first one on ... */
export const COMPETING_UP_ROUNDS = 3
/** ... and draining so many: the queue is not ours, and room that we make is taken at once. */
export const COMPETING_DOWN_ROUNDS = 1
/** Time's worth of bytes added to the window for acks that come in lumps. */
export const LUMP_ALLOWANCE = 2

// --- Ours: ends ---------------------------------------------------------------------------------------------------------

/**
 * How long a finished flow still answers a peer that missed the last ack (TCP's time-wait, RFC 9293 3.6.1). The peer
 * asks every PTO_MAX at the least; at 20 % loss each way it takes seven of those until all but one in a thousand know.
 */
export const LINGER = 7 * PTO_MAX
/** A reset that nobody confirms is repeated this often. */
export const RESET_REPEATS = 6
/** An idle flow asks this often whether the peer still knows it; 0 turns it off. */
export const KEEP_ALIVE = 60000
