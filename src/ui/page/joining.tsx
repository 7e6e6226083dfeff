/** What a ticket would open that its owner may not expect, before it is opened. */
import { Question } from './question.js'
import type { Task } from './words.js'

export function Surprise({
  surprise,
  task,
  onStay,
  onJoin
}: {
  /** The end of a sentence about the ticket. */
  surprise: string
  task: Task
  onStay: () => void
  onJoin: () => void
}) {
  return (
    <Question title="Join all the same?" stay="Back" end="Join" task={task} onStay={onStay} onEnd={onJoin}>
      This ticket {surprise}. Join only if you trust the person who gave it to you.
    </Question>
  )
}
