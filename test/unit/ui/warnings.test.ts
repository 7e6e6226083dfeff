// Which warnings of a running daemon still hold.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerMapInfo } from '../../../src/events.js'
import { Warnings } from '../../../src/ui/warnings.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const game: ServerMapInfo = { proto: 'tcp', port: 25_565, host: '127.0.0.1' }
const voice: ServerMapInfo = { proto: 'udp', port: 64_738, host: '127.0.0.1' }

/** Warnings, and how those that hold are told apart. */
class Scene {
  readonly #warnings = new Warnings(20)

  get codes(): string[] {
    return this.#warnings.list.map(({ code, port }) => (port === undefined ? code : `${code} ${port}`))
  }

  warn(code: string, maps?: ServerMapInfo[], more: object = {}): void {
    const message = `${code} ${JSON.stringify(more)}`
    this.#warnings.note({
      event: 'warning',
      code,
      message,
      publicKey: KEY,
      ...(maps && { maps }),
      ...more
    })
  }

  reload(change: () => void, publicKey = KEY): void {
    this.#warnings.changing()
    change()
    const added = [{ mode: 'server', publicKey, ...game } as const]
    this.#warnings.note({ event: 'reloaded', added, removed: [], restart: [] })
  }

  target(map: ServerMapInfo, state: 'answers' | 'closed', publicKey = KEY): void {
    this.#warnings.note({ event: 'target', publicKey, state, ...map })
  }
}

test('that a program is elsewhere is over once it answers where it is shared', () => {
  const scene = new Scene()
  scene.warn('GAME_ELSEWHERE', [game], { port: 54_321 })
  scene.warn('TARGET_ELSEWHERE', [game], { host: '192.0.2.2' })
  scene.warn('NO_TICKET')
  const all = ['GAME_ELSEWHERE 54321', 'TARGET_ELSEWHERE', 'NO_TICKET']
  scene.target(game, 'closed')
  scene.target(voice, 'answers')
  scene.target({ ...game, host: '192.0.2.2' }, 'answers')
  scene.target(game, 'answers', '5ufftno43gexMfNevidLVodtPippYyNfnPGgCd3KZoYv')
  assert.deepEqual(scene.codes, all)
  scene.target(game, 'answers')
  assert.deepEqual(scene.codes, ['NO_TICKET'])
})

test('what a reload warns of holds after it, and until the next one that changes the server', () => {
  const scene = new Scene()
  scene.warn('OLD')
  scene.reload(() => scene.warn('NO_TICKET'))
  assert.deepEqual(scene.codes, ['NO_TICKET'])
  scene.reload(() => {}, '5ufftno43gexMfNevidLVodtPippYyNfnPGgCd3KZoYv')
  assert.deepEqual(scene.codes, ['NO_TICKET'])
  scene.reload(() => {})
  assert.deepEqual(scene.codes, [])
})

test('where a game is by now replaces where it was before, and says nothing of another', () => {
  const scene = new Scene()
  scene.warn('GAME_ELSEWHERE', [voice], { port: 50_000 })
  scene.warn('GAME_ELSEWHERE', [game], { port: 54_321 })
  scene.warn('TARGET_ELSEWHERE', [game], { host: '192.0.2.2' })
  scene.warn('GAME_ELSEWHERE', [game], { port: 54_322 })
  assert.deepEqual(scene.codes, ['GAME_ELSEWHERE 50000', 'TARGET_ELSEWHERE', 'GAME_ELSEWHERE 54322'])
})
