/** What every part of the page does alike: says something to screen readers, shows news, tells what went wrong. */
import { createContext } from 'preact'
import { useContext, useEffect, useId, useRef, useState } from 'preact/hooks'
import type { View } from '../wire.js'
import { Refused } from './server.js'
import { sentence } from './text.js'

export class Words {
  /**
   * @param say tells screen readers
   * @param show takes a view that came with an answer
   */
  constructor(
    readonly say: (text: string) => void,
    readonly show: (view: View) => void
  ) {}
}

export const WordsContext = createContext(
  new Words(
    () => {},
    () => {}
  )
)

export function useWords(): Words {
  return useContext(WordsContext)
}

/** Something that is asked of hyper-nat: whether it is under way, and why it was refused. */
export interface Task {
  readonly busy: boolean
  readonly refused: Refused | null
  readonly run: (work: () => Promise<unknown>) => Promise<void>
}

export function useTask(): Task {
  const [busy, setBusy] = useState(false)
  const [refused, setRefused] = useState<Refused | null>(null)
  const focused = useRef<Element | null>(null)
  useEffect(() => {
    // What is disabled while busy has lost the focus.
    if (!busy && document.activeElement === document.body) focusOn(focused.current)
  }, [busy])
  const run = async (work: () => Promise<unknown>): Promise<void> => {
    focused.current = document.activeElement
    setBusy(true)
    setRefused(null)
    try {
      await work()
    } catch (err) {
      if (!(err instanceof Refused)) throw err
      setRefused(err)
    } finally {
      setBusy(false)
    }
  }
  return { busy, refused, run }
}

/** Does nothing for what is not there any more. */
function focusOn(element: Element | null): void {
  if (element instanceof HTMLElement) element.focus()
}

/** Gives the focus back, when this goes away, to what had it before. */
export function useFocusBack(): void {
  const [opener] = useState(() => document.activeElement)
  useEffect(() => () => focusOn(opener), [])
}

/** What of a refusal is about none of the fields that show their own. */
export function Trouble({ refused, fields = [] }: { refused: Refused | null; fields?: readonly string[] }) {
  if (!refused) return null
  const { faults, message } = refused.refusal
  const others = faults.filter(({ field }) => !fields.includes(field))
  if (faults.length > 0 && others.length === 0) return null
  const texts = faults.length > 0 ? others.map(fault => sentence(fault.field, fault.message)) : [message]
  return (
    <p class="notice bad" role="alert">
      {texts.map(text => text.trim()).join(' ')}
    </p>
  )
}

interface FieldProps {
  readonly label: string
  /** What sentences about a fault are about; left out: what the label says. */
  readonly subject?: string
  readonly value: string
  readonly onValue: (value: string) => void
  /** What is wrong with it, as the rest of a sentence. */
  readonly fault?: string | undefined
  readonly hint?: string | undefined
  readonly placeholder?: string
  readonly lines?: number
  readonly optional?: boolean
  readonly focused?: boolean
  readonly digits?: boolean
}

/** A labelled field; a fault is told with it, and the first faulty one of a form gets the focus. */
export function Field(props: FieldProps) {
  const {
    label,
    subject = `The ${label.toLowerCase()}`,
    value,
    onValue,
    fault,
    hint,
    placeholder,
    lines,
    optional,
    focused,
    digits
  } = props
  const id = useId()
  const input = useRef<HTMLInputElement & HTMLTextAreaElement>(null)
  useEffect(() => {
    if (focused) input.current?.focus()
  }, [focused])
  useEffect(() => {
    const form = input.current?.form
    if (fault !== undefined && form?.querySelector('[aria-invalid=true]') === input.current) {
      input.current?.focus()
    }
  }, [fault])
  const about = [hint && `${id}-hint`, fault !== undefined && `${id}-fault`].filter(Boolean).join(' ')
  const common = {
    id,
    ref: input,
    value,
    placeholder,
    autocomplete: 'off',
    spellcheck: false,
    'aria-invalid': fault !== undefined,
    'aria-describedby': about || undefined,
    onInput: (event: Event) => onValue((event.target as HTMLInputElement).value)
  }
  return (
    <div class="field">
      <label for={id}>
        {label}
        {optional && <span class="quiet"> (optional)</span>}
      </label>
      {lines === undefined ? (
        <input type="text" inputMode={digits ? 'numeric' : undefined} {...common} />
      ) : (
        <textarea rows={lines} {...common} />
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`}>
          {sentence(subject, fault)}
        </p>
      )}
    </div>
  )
}

/** A labelled choice of a few. */
export function Select<T extends string | number>({
  label,
  value,
  choices,
  onValue
}: {
  readonly label: string
  readonly value: T
  readonly choices: readonly (readonly [value: T, text: string])[]
  readonly onValue: (value: T) => void
}) {
  return (
    <div class="field">
      <label>
        {label}
        <select value={value} onChange={event => onValue(choices[event.currentTarget.selectedIndex]![0])}>
          {choices.map(([choice, text]) => (
            <option key={choice} value={choice}>
              {text}
            </option>
          ))}
        </select>
      </label>
    </div>
  )
}

/** The head of a view, which gets the focus when the view is shown. */
export function Title({ text }: { text: string }) {
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    head.current?.focus()
  }, [text])
  return (
    <h1 tabIndex={-1} ref={head}>
      {text}
    </h1>
  )
}
