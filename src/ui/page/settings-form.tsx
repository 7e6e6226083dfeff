/** How hyper-nat reaches the network: for people whose network needs something else. */
import { useEffect, useState } from 'preact/hooks'
import type { Requests } from '../wire.js'
import { ask } from './server.js'
import { Field, Title, Trouble, useTask, useWords } from './words.js'

type Settings = Required<Requests['setSettings']>

export function SettingsForm() {
  const { say, show } = useWords()
  const { busy, refused, run } = useTask()
  /** As they were when the form was opened; null until they are known. */
  const [before, setBefore] = useState<Settings | null>(null)
  const [settings, setSettings] = useState<Settings | null>(null)
  const change = (changes: Partial<Settings>): void => setSettings({ ...settings!, ...changes })
  useEffect(() => {
    void run(async () => {
      const { relays, ...rest } = await ask('settings', {})
      const known = { relays: relays.join('\n'), ...rest }
      setBefore(known)
      setSettings(known)
    })
  }, [])
  const save = (event: Event): void => {
    event.preventDefault()
    void run(async () => {
      // The file may have been changed meanwhile: what was left alone here stays as it is there.
      const changed = Object.entries(settings!).filter(
        ([key, value]) => value !== before![key as keyof Settings]
      )
      const { view } = await ask('setSettings', Object.fromEntries(changed))
      show(view)
      say('Saved')
      location.hash = 'home'
    })
  }
  return (
    <form class="card" onSubmit={save}>
      <Title text="Settings" />
      {settings && (
        <>
          <Field
            label="Relays"
            subject="A relay"
            value={settings.relays}
            onValue={text => change({ relays: text })}
            fault={refused?.of('relays')}
            lines={3}
            hint="They carry the traffic when no direct connection is possible. One per line: the public key or the wss:// address that hyper-nat relay shows."
            optional
          />
          <fieldset>
            <legend>Network</legend>
            <label class="check">
              <input
                type="checkbox"
                checked={settings.portMapping}
                onChange={event => change({ portMapping: event.currentTarget.checked })}
              />
              Ask the router for a port, so that friends connect directly more often
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={settings.lan}
                onChange={event => change({ lan: event.currentTarget.checked })}
              />
              Find hosts on the same network when there is no internet
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={settings.ipv6}
                onChange={event => change({ ipv6: event.currentTarget.checked })}
              />
              Connect over IPv6 where possible
            </label>
          </fieldset>
          <p class="hint">Changes apply the next time hyper-nat starts.</p>
        </>
      )}
      <Trouble refused={refused} fields={['relays']} />
      <div class="row end">
        <a class="button" href="#home">
          Back
        </a>
        <button type="submit" class="main" disabled={busy || !settings}>
          Save
        </button>
      </div>
    </form>
  )
}
