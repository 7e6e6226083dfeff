/** A server that was joined: what to type into the game. */
import { useState } from 'preact/hooks'
import type { AddressView, ClientView } from '../wire.js'
import { CopyButton } from './copy.js'
import { Games } from './games.js'
import type { History } from './history.js'
import { Question } from './question.js'
import { ask } from './server.js'
import { SessionRow } from './session-row.js'
import { clientTitle, GONE, isUp, PROTOS } from './text.js'
import { Warnings } from './warnings.js'
import { useTask, useWords } from './words.js'

/** Addresses that are shown at once; games that have more need one of them. */
const SHOWN = 4

const WAITING = ['Waiting for the host', 'wait'] as const

const REJECTED = ['The host has not let you in', 'bad'] as const

/** One address may lead on by several protocols. */
interface Place {
  readonly name: string | undefined
  readonly address: string
  readonly protos: string[]
}

export function ClientCard({
  client,
  history,
  at,
  isGone
}: {
  client: ClientView
  history: History
  at: number
  isGone: boolean
}) {
  const { say, show } = useWords()
  const task = useTask()
  const [asking, setAsking] = useState(false)
  const { publicKey, addresses, games, sessions, waiting } = client
  const title = clientTitle(client) ?? 'A friend'
  const places = placesOf(addresses)
  const up = isUp(client)
  const [state, kind] = isGone
    ? GONE
    : up
      ? (['Connected', 'good'] as const)
      : client.rejected
        ? REJECTED
        : WAITING
  const leave = (): Promise<void> =>
    task.run(async () => {
      const { view } = await ask('leave', { publicKey })
      setAsking(false)
      show(view)
      say(`Left ${title}`)
    })
  return (
    <article class="card" aria-label={title}>
      <div class="row">
        <h3>{title}</h3>
        <span class={`net ${kind}`}>{state}</span>
        <button
          type="button"
          class="small push"
          aria-label={`Leave ${title}`}
          onClick={() => setAsking(true)}
        >
          Leave
        </button>
      </div>
      {!isGone && <Warnings warnings={client.warnings} />}
      {!up && !isGone && (
        <p class={client.rejected ? 'notice bad' : 'notice'} role="status">
          {waiting ??
            'Your friend may not have started hyper-nat yet. This computer connects by itself as soon as it runs there.'}
        </p>
      )}
      {!client.rejected && <Games games={games} />}
      {addresses.length > 0 && games.length === 0 && <p class="lead">Enter this in the game:</p>}
      {places.slice(0, SHOWN).map(place => (
        <Address key={place.address} place={place} title={title} />
      ))}
      {places.length > SHOWN && (
        <details>
          <summary>{places.length - SHOWN} more</summary>
          {places.slice(SHOWN).map(place => (
            <Address key={place.address} place={place} title={title} />
          ))}
        </details>
      )}
      {(isGone ? [] : sessions).map(session => (
        <SessionRow key={session.id} session={session} history={history} at={at} who={title} />
      ))}
      {!isGone && client.roster.length > 0 && (
        <p>
          Also here:{' '}
          {client.roster
            .map(({ name, rtt }) => `${name ?? 'a guest'}${rtt === null ? '' : ` (${rtt} ms)`}`)
            .join(', ')}
        </p>
      )}
      {asking && (
        <Question
          title={`Leave ${title}?`}
          stay="Stay"
          end="Leave"
          task={task}
          onStay={() => setAsking(false)}
          onEnd={leave}
        >
          Its addresses on this computer are closed. You can join again with the ticket.
        </Question>
      )}
    </article>
  )
}

function Address({ place: { name, address, protos }, title }: { place: Place; title: string }) {
  return (
    <div class="address">
      <output>{address}</output>
      <CopyButton text={address} what={`the address ${address}`} />
      <span class="quiet">
        {[...(name === undefined || name === title ? [] : [name]), protos.join(' and ')].join(', ')}
      </span>
    </div>
  )
}

function placesOf(addresses: readonly AddressView[]): Place[] {
  const places = new Map<string, Place>()
  for (const { name, address, proto } of addresses) {
    const place = places.get(address)
    if (place) place.protos.push(PROTOS[proto])
    else places.set(address, { name, address, protos: [PROTOS[proto]] })
  }
  return [...places.values()]
}
