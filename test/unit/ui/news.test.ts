import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionOf, connectedIn, newsOf } from '../../../src/ui/page/news.js'
import type { GuestView, SessionView, View } from '../../../src/ui/wire.js'

const session: SessionView = {
  id: 'a',
  state: 'up',
  path: 'lan',
  since: 0,
  rtt: 5,
  jitter: 0,
  loss: 0,
  bytesIn: 0,
  bytesOut: 0
}
const lost: SessionView = { ...session, state: 'lost', path: null }

/** A host with guests, beside one server that was joined. */
function view(guests: readonly GuestView[], sessions: readonly SessionView[]): View {
  return {
    at: 0,
    version: '',
    file: '',
    online: true,
    restart: [],
    warnings: [],
    servers: [
      {
        publicKey: 'server',
        names: ['Minecraft'],
        maps: [],
        pausedMaps: [],
        private: false,
        roster: false,
        games: [],
        waiting: [],
        idle: false,
        edit: { name: '', rows: [] },
        warnings: [],
        paused: false,
        gameIds: [],
        announced: 'announced',
        guests
      }
    ],
    clients: [
      {
        publicKey: 'friend',
        addresses: [{ name: 'Web', proto: 'tcp', address: '127.0.0.1:80' }],
        games: [],
        warnings: [],
        roster: [],
        sessions
      }
    ]
  }
}

const anna = (sessions: readonly SessionView[]): GuestView => ({ name: 'Anna', invited: true, sessions })
const stranger: GuestView = { key: 'abc..', invited: false, sessions: [session] }

test('guests who come and connections that are lost are news, once', () => {
  const before = view([anna([])], [session])
  assert.deepEqual(newsOf(before, view([anna([session]), stranger], [lost])), [
    'Anna has joined Minecraft',
    'Guest abc.. has joined Minecraft',
    'The connection to Web was lost'
  ])
  const there = view([anna([session]), stranger], [lost])
  assert.deepEqual(newsOf(there, there), [])
  assert.deepEqual(newsOf(there, view([anna([])], [session])), [])
})

test('another name, or another session of a guest who is here, is no news', () => {
  const before = view([anna([session])], [])
  const renamed = { ...anna([session]), name: 'Annie' }
  assert.deepEqual(newsOf(before, view([renamed], [])), [])
  assert.deepEqual(newsOf(before, view([anna([{ ...session, id: 'b' }])], [])), [])
})

test('what the page finds when it is opened is no news, and neither is leaving', () => {
  const empty = { ...view([], []), servers: [], clients: [] }
  assert.deepEqual(newsOf(empty, view([anna([session])], [session])), [])
  assert.deepEqual(newsOf(view([], [session]), empty), [])
})

test('the title and the icon follow what is connected', () => {
  assert.equal(conditionOf({ ...view([], []), servers: [], clients: [] }), 'idle')
  assert.equal(conditionOf(view([anna([])], [lost])), 'idle')
  assert.equal(conditionOf(view([anna([session]), stranger], [])), 'live')
  assert.equal(connectedIn(view([anna([session]), anna([lost]), stranger], [session])), 3)
})
