/** Texts to take along: with a button that copies them, and as a QR code. */

import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import encodeQR from 'qr'
import { Dialog } from './dialog.js'
import { useWords } from './words.js'

/** How long a button says that it has copied. */
const COPIED_MS = 2000

/** Modules of white around a QR code, by the standard. */
const BORDER = 4

/**
 * @param what for screen readers: `the ticket`
 * @param label what it says, if not just that it copies
 * @param isMain whether it is what most people want
 */
export function CopyButton({
  text,
  what,
  label,
  isMain = false
}: {
  text: string
  what: string
  label?: string
  isMain?: boolean
}) {
  const { say } = useWords()
  const [copied, setCopied] = useState(false)
  const [isRefused, setRefused] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      say(`Copied ${what}`)
      setCopied(true)
      timer.current = setTimeout(() => setCopied(false), COPIED_MS)
    } catch {
      setRefused(true)
    }
  }
  const word = copied ? 'Copied' : 'Copy'
  return (
    <>
      <button
        type="button"
        class={isMain ? 'small main' : 'small'}
        onClick={copy}
        aria-label={label === undefined ? `${word} ${what}` : undefined}
      >
        {copied ? word : (label ?? word)}
      </button>
      {isRefused && <CopyDialog text={text} what={what} onClose={() => setRefused(false)} />}
    </>
  )
}

/** What the browser does not copy, to be copied by hand. */
function CopyDialog({ text, what, onClose }: { text: string; what: string; onClose: () => void }) {
  return (
    <Dialog title={`Copy ${what}`} onClose={onClose}>
      <p>The browser does not allow this page to copy. Copy the selected text yourself.</p>
      <textarea
        rows={8}
        readOnly
        value={text}
        aria-label={`Text of ${what}`}
        onFocus={event => event.currentTarget.select()}
      />
      <div class="row end">
        <button type="button" class="main" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  )
}

/** The address of hyper-nat's home page, taken from package.json when the page is built. */
declare const HOME_PAGE: string

/** A message for friends who may not have hyper-nat yet. **Join** takes all of it. */
export function InvitationButton({ title, ticket }: { title: string; ticket: string }) {
  const text =
    `You are invited: ${title}\n\n` +
    `1. Get hyper-nat, which connects our computers directly, without an account: ${HOME_PAGE}/releases\n` +
    '2. Start it ("hyper-nat ui" in a terminal), click Join and paste this message.\n\n' +
    `Or run this in a terminal:\nhyper-nat join ${ticket}\n`
  return <CopyButton text={text} what="the invitation" label="Copy invitation" isMain />
}

/** A ticket, to be sent to friends. */
export function TicketBox({
  ticket,
  label,
  children
}: {
  ticket: string
  label: string
  children?: ComponentChildren
}) {
  const [code, setCode] = useState(false)
  return (
    <div class="ticket">
      <div class="row">
        <span class="label">{label}</span>
        {children}
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
