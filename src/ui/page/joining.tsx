/** Joining by a ticket, after a question where it would open what its owner may not expect. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { Joined, View } from '../wire.js'
import { Question } from './question.js'
import type { Task } from './words.js'

/**
 * @param request asks the daemon to join
 * @param onJoined called when it has
 */
export function useJoining(
  task: Task,
  request: (sure: boolean) => Promise<Joined>,
  onJoined: (view: View) => void
): { readonly join: () => void; readonly question: ComponentChildren } {
  /** The end of a sentence about the ticket. */
  const [surprise, setSurprise] = useState<string | null>(null)
  const join = (sure: boolean): void =>
    void task.run(async () => {
      const { view, surprise: found = null } = await request(sure)
      setSurprise(found)
      if (found === null) onJoined(view)
    })
  const question = surprise !== null && (
    <Question
      title="Join all the same?"
      stay="Back"
      end="Join"
      task={task}
      onStay={() => setSurprise(null)}
      onEnd={() => join(true)}
    >
      This ticket {surprise}. Join only if you trust the person who gave it to you.
    </Question>
  )
  return { join: () => join(false), question }
}
