/** `hyper-nat host`: share the ports of a game, as its recipe names them. */

import type { Games } from '../games/games.js'
import { LOCALHOST } from '../text/address.js'
import { type Arguments, type Command, type Job, list, text, words } from './command.js'
import type { CliContext } from './context.js'
import { runFlags } from './run-flags.js'
import { savedJob, saveFlags, toShare } from './save-server.js'
import {
  accessFlags,
  accessOf,
  discoveryFlag,
  discoveryOf,
  networkFlags,
  ownRelayFlags,
  portMappingFlag,
  qrFlag,
  reachOf,
  secretFlags
} from './shared-flags.js'

export const host: Command = {
  name: 'host',
  describe: 'Share games by their names',
  positional: { name: 'game', describe: 'One game or more that hyper-nat games lists' },
  flags: {
    port: {
      alias: 'p',
      type: 'string',
      array: true,
      describe:
        "Other port(s) than the game's own, in the order of hyper-nat games; those that depend on the first move with it"
    },
    optional: { type: 'boolean', describe: 'Share also the ports that the game can do without' },
    ...secretFlags,
    ...accessFlags,
    host: { type: 'string', describe: 'Where the game runs: an address or a name (127.0.0.1)' },
    name: { type: 'string', describe: 'Name that your friends see' },
    ...discoveryFlag,
    'no-player-addresses': {
      type: 'boolean',
      describe: 'Let the game see all guests come from 127.0.0.1, instead of an address for each'
    },
    force: { type: 'boolean', describe: 'Share it even if it does not work through hyper-nat' },
    ...saveFlags,
    ...qrFlag,
    ...networkFlags,
    ...ownRelayFlags,
    ...runFlags,
    ...portMappingFlag
  },
  examples: [
    ['hyper-nat host minecraft', 'under a new secret'],
    ['hyper-nat host minecraft -p 54321 -s mysecret', 'a world that was opened on another port'],
    ['hyper-nat host minecraft mumble', 'both under one ticket'],
    ['hyper-nat host openarena --name "Friday"', 'with a name for your friends'],
    [
      'hyper-nat host minecraft --private --allow Anna=KEY',
      'for Anna alone, whose key hyper-nat id shows her'
    ]
  ],
  subject: () => 'hyper-nat host',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { hostOptions } = await import('../options/flags.js')
  const { knownGames } = await import('../games/games.js')
  const { HyperNatError, OptionsError } = await import('../errors.js')
  const { hostHelp } = await import('../games/help.js')
  const { partsOf } = await import('../games/map-name.js')
  const named = words(args, 'game')
  if (named.length === 0) {
    const message = 'is missing; hyper-nat games lists them, and hyper-nat server shares any port'
    throw new OptionsError([{ path: 'GAME', message }], 'BAD_USAGE')
  }
  const known = knownGames()
  const { found, unknown } = known.findAll(named)
  // The check of the options says what is wrong with it.
  const games = unknown === undefined ? found : [...found, unknown]
  const recipes = found.map(game => known.find(game)!)
  const unplayable = recipes.find(({ works }) => works === 'no')
  if (unplayable && args.force !== true) {
    throw new HyperNatError(
      'GAME_UNPLAYABLE',
      `${unplayable.name} does not work through hyper-nat. ${unplayable.why} To share it anyway, add --force.`
    )
  }
  const target = text(args, 'host')
  const what = await toShare(args, context, secret =>
    hostOptions({
      games,
      ports: list(args, 'port'),
      optionalPorts: args.optional === true,
      discovery: discoveryOf(args),
      playerAddresses: args['no-player-addresses'] !== true,
      host: target,
      name: text(args, 'name'),
      secret,
      ...accessOf(args),
      ...reachOf(args, context)
    })
  )
  const { options, warning } = what
  const { runningStatuses } = await import('./running.js')
  const running = await runningStatuses(args, context)
  const { hostedAlready } = await import('./hosted-already.js')
  const twice = hostedAlready(
    recipes.map(({ id }) => id),
    running
  )
  const { joinedHere } = await import('./joined-here.js')
  const joined = await joinedHere(options.entries, args.port === undefined ? 'GAME' : '-p', running)
  return savedJob(
    {
      options: {
        ...options,
        warnings: [...options.warnings, ...(warning ? [warning] : []), ...twice, ...joined]
      },
      hosted:
        found.map(game => otherGames(game, known)).join('') +
        recipes
          .map(recipe => {
            const shared = options.entries.filter(({ name = '' }) => partsOf(name).id === recipe.id)
            return `In ${recipe.name}: ${hostHelp(recipe, target ?? LOCALHOST, shared)}\n`
          })
          .join(''),
      byFlags: true,
      ...(args.qr ? { qr: true } : {})
    },
    what,
    args,
    context
  )
}

/** Which of several games a word was taken for, and how to host the others. */
function otherGames(word: string, known: Games): string {
  const others = known.alsoCalled(word)
  if (others.length === 0) return ''
  const lines = others.map(({ id, name }) => `  ${name}: hyper-nat host ${id}\n`)
  return `This is ${known.find(word)!.name}. For another game of that name:\n${lines.join('')}`
}
