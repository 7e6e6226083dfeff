/** Texts to take along: with a button that copies them, and as a QR code. */

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import encodeQR from 'qr'
import { useWords } from './words.js'

/** How long a button says that it has copied. */
const COPIED_MS = 2000

/** Modules of white around a QR code, by the standard. */
const BORDER = 4

/** @param what for screen readers: `the ticket` */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const { say } = useWords()
  const [copied, setCopied] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      say(`Copied ${what}`)
      setCopied(true)
      timer.current = setTimeout(() => setCopied(false), COPIED_MS)
    } catch {
      say('The browser does not let this page copy: mark the text and copy it yourself')
    }
  }
  const word = copied ? 'Copied' : 'Copy'
  return (
    <button type="button" class="small" onClick={copy} aria-label={`${word} ${what}`}>
      {word}
    </button>
  )
}

/** A ticket, to be sent to friends. */
export function TicketBox({ ticket, label }: { ticket: string; label: string }) {
  const [code, setCode] = useState(false)
  return (
    <div class="ticket">
      <div class="row">
        <span class="label">{label}</span>
        <CopyButton text={ticket} what="the ticket" />
        <button type="button" class="small" aria-expanded={code} onClick={() => setCode(!code)}>
          QR code
        </button>
      </div>
      <code>{ticket}</code>
      {code && <QrCode text={ticket} />}
    </div>
  )
}

/** In capitals, as the alphanumeric mode of QR codes holds no others; a ticket is the same in either. */
function QrCode({ text }: { text: string }) {
  const { size, path } = useMemo(() => {
    const rows = encodeQR(text.toUpperCase(), 'raw', { ecc: 'low', border: BORDER })
    const dark = rows.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : [])))
    return { size: rows.length, path: dark.join('') }
  }, [text])
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="The ticket as a QR code">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" shape-rendering="crispEdges" />
    </svg>
  )
}
