import b4a from 'b4a'
import type { ByteFlow } from '../../../src/flows/byte-flow.js'

/** Notes what a flow brings its local socket: bytes as text, and the names of its other events. */
export function hear(flow: ByteFlow): string[] {
  const heard: string[] = []
  flow.events = {
    data: bytes => heard.push(b4a.toString(bytes, 'utf8')),
    end: () => heard.push('END'),
    drain: () => heard.push('DRAIN'),
    reset: code => heard.push(`RESET ${code}`),
    close: () => heard.push('CLOSE')
  }
  return heard
}
