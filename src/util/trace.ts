/**
 * Events for the diagnosis of a path, named as in qlog (draft-ietf-quic-qlog-main-schema and -quic-events) where qlog has the event;
 * ours begin with `hyper-nat:`. No payload, no address and no key of a port map is in them.
 * @param group what the event is about: a session, or a flow of one
 * @param data numbers in qlog's units: ms, bytes, bits per second
 */
export type Trace = (name: string, group: string, data: Readonly<Record<string, unknown>>) => void
