/**
 * Thousands of small stories over bad links, each byte-exact. A failing seed is printed; `ARQ_SEED=n` runs it alone,
 * `ARQ_SCENARIOS=n` runs another number of them, `ARQ_FIRST_SEED=n` starts elsewhere.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cases } from '../support/quick.js'
import { tellStory } from './support/arq-scenario.js'

const only = process.env.ARQ_SEED
const count = Number(process.env.ARQ_SCENARIOS ?? cases(2000))
const first = Number(process.env.ARQ_FIRST_SEED ?? 1)

test(
  only ? `ARQ scenario ${only}` : `${count} ARQ scenarios, byte-exact and finished in bounded time`,
  () => {
    if (only) {
      console.log(tellStory(Number(only)))
      return
    }
    const failed: string[] = []
    let resets = 0
    for (let seed = first; seed < first + count; seed++) {
      try {
        if (tellStory(seed).resets) resets++
      } catch (err) {
        failed.push(`ARQ_SEED=${seed}: ${err instanceof Error ? err.message : String(err)}`)
        if (failed.length >= 5) break
      }
    }
    assert.deepEqual(failed, [], 'run the seeds alone with ARQ_SEED')
    assert.ok(count < 100 || resets > 0, 'no story had a reset')
  }
)
