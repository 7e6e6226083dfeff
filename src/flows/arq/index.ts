/** The ARQ as the session sees it. */
export { Arq, type ArqHost, type ArqOptions, type ArqState, type ArqStats } from './arq.js'
export { OPEN_MAX, RESET_PROTOCOL, RESET_SESSION_FIRST, RESET_UNKNOWN_FLOW } from './constants.js'
export { encodeReset, encodeResetAck, openPayload, strayReply } from './segment.js'
