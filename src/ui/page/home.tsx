/** What is hosted and what is joined; in the beginning, the choice between the two. */
import type { View } from '../wire.js'
import { ClientCard } from './client-card.js'
import { Friends } from './friends.js'
import type { History } from './history.js'
import { ServerCard } from './server-card.js'

/** @param isGone hyper-nat does not answer any more: what is shown is how it was */
export function Home({ view, history, isGone }: { view: View; history: History; isGone: boolean }) {
  const { servers, clients, at } = view
  const empty = servers.length === 0 && clients.length === 0
  return (
    <>
      <section class={empty ? 'hero' : 'hero small'}>
        <h1>{empty ? 'Play together, wherever you are' : 'Your computer and your friends'}</h1>
        {empty && (
          <p>
            Your computers connect directly to each other, encrypted. There is no account, and nothing to set
            up in the router.
          </p>
        )}
        <div class="choices">
          <a class="choice" href="#host">
            <strong>Host</strong>
            {empty && <span>Share a game on this computer with your friends.</span>}
          </a>
          <a class="choice" href="#join">
            <strong>Join</strong>
            {empty && <span>A friend sent me a ticket.</span>}
          </a>
        </div>
      </section>
      {servers.length > 0 && (
        <section aria-labelledby="hosted">
          <h2 id="hosted">You host</h2>
          {servers.map(server => (
            <ServerCard key={server.publicKey} server={server} history={history} at={at} isGone={isGone} />
          ))}
        </section>
      )}
      {clients.length > 0 && (
        <section aria-labelledby="joined">
          <h2 id="joined">You have joined</h2>
          {clients.map(client => (
            <ClientCard key={client.publicKey} client={client} history={history} at={at} isGone={isGone} />
          ))}
        </section>
      )}
      {!isGone && <Friends view={view} />}
    </>
  )
}
