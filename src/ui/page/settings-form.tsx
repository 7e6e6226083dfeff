/** How hyper-nat reaches the network: for people whose network needs something else. */
import { useEffect, useState } from 'preact/hooks'
import { ask } from './server.js'
import { Field, Title, Trouble, useTask, useWords } from './words.js'

export function SettingsForm() {
  const { say, show } = useWords()
  const { busy, refused, run } = useTask()
  const [relays, setRelays] = useState('')
  const [portMapping, setPortMapping] = useState(true)
  const [lan, setLan] = useState(true)
  const [ipv6, setIpv6] = useState(true)
  const [isKnown, setKnown] = useState(false)
  useEffect(() => {
    void run(async () => {
      const settings = await ask('settings', {})
      setRelays(settings.relays.join('\n'))
      setPortMapping(settings.portMapping)
      setLan(settings.lan)
      setIpv6(settings.ipv6)
      setKnown(true)
    })
  }, [])
  const save = (event: Event): void => {
    event.preventDefault()
    void run(async () => {
      const { view } = await ask('setSettings', { relays, portMapping, lan, ipv6 })
      show(view)
      say('Saved')
      location.hash = 'home'
    })
  }
  return (
    <form class="card" onSubmit={save}>
      <Title text="Settings" />
      {isKnown && (
        <>
          <Field
            label="Relays"
            subject="A relay"
            value={relays}
            onValue={setRelays}
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
                checked={portMapping}
                onChange={event => setPortMapping(event.currentTarget.checked)}
              />
              Ask the router for a port, so that friends connect directly more often
            </label>
            <label class="check">
              <input type="checkbox" checked={lan} onChange={event => setLan(event.currentTarget.checked)} />
              Find hosts on the same network when there is no internet
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={ipv6}
                onChange={event => setIpv6(event.currentTarget.checked)}
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
        <button type="submit" class="main" disabled={busy || !isKnown}>
          Save
        </button>
      </div>
    </form>
  )
}
