/** `hyper-nat learn`: a recipe from the ports that a running program has open. */

import { type Arguments, type Command, type Job, text } from './command.js'
import { EXIT } from './context.js'

export const learn: Command = {
  name: 'learn',
  describe: "Make a game's recipe from the ports that it has open",
  flags: {
    pid: { type: 'string', describe: 'The number of the process; its children count as well' },
    name: { type: 'string', describe: "What the game is called (the program's name)" },
    save: { type: 'boolean', describe: 'Keep it, for hyper-nat host and options.json' }
  },
  examples: [['hyper-nat learn --pid 4711 --name "My game" --save', 'then: hyper-nat host my-game']],
  subject: () => 'hyper-nat learn',
  job
}

/** Servers have ports for their owners, too, and nothing tells them apart. */
const CAUTION =
  'Look at the ports before you share them: take out a console or a web page that is not for your friends.\n' +
  'Only ports are seen, not how the game finds servers in a LAN: friends join by the address that hyper-nat shows.\n'

async function job(args: Arguments): Promise<Job> {
  const { OptionsError } = await import('../errors.js')
  const { quote } = await import('../text/quote.js')
  const pid = text(args, 'pid')
  if (pid === undefined || !/^[1-9]\d{0,9}$/.test(pid)) {
    const message = pid === undefined ? 'is missing' : `is ${quote(pid)}`
    const place = process.platform === 'win32' ? 'the Task Manager, under Details,' : 'ps'
    const fault = {
      path: '--pid',
      message: `${message}; give the number of the game's process (PID), as ${place} shows it`
    }
    throw new OptionsError([fault], 'BAD_USAGE')
  }
  return {
    warnings: [],
    task: async context => {
      const { openPorts } = await import('../programs/open-ports.js')
      const { learnedRecipe, saveRecipe } = await import('../games/learned.js')
      const recipe = learnedRecipe(await openPorts(Number(pid)), text(args, 'name'))
      const path = args.save ? await saveRecipe(recipe) : undefined
      if (args.json) {
        context.stdout(
          `${JSON.stringify({ event: 'recipe', recipe, ...(path !== undefined && { path }) })}\n`
        )
      } else {
        context.stdout(`${JSON.stringify(recipe, null, 2)}\n`)
        context.stderr(CAUTION)
        if (path !== undefined)
          context.stderr(`Saved in ${path}. Share it with: hyper-nat host ${recipe.id}\n`)
      }
      return EXIT.done
    }
  }
}
