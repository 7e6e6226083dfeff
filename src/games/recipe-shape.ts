/**
 * The shape of a game recipe, config/games/<id>.json: which ports a game's server has, how the game finds servers in a LAN, and
 * what people type into it. A new game is a new file and nothing else.
 */

import * as z from 'zod'
import { PORT_MAX } from '../text/ports.js'
import { discoveryShape } from './discovery-shape.js'
import { ID_MAX, ID_PATTERN, numbersOf, PLACE } from './notation.js'

/** Ports that one range of a recipe may hold. */
const RANGE_MAX = 64

/** One line on a console. */
const LINE_MAX = 300

const id = () => z.string().regex(ID_PATTERN).max(ID_MAX)

function line(description: string) {
  return z
    .string()
    .min(3)
    .max(LINE_MAX)
    .regex(/^\P{C}+$/u)
    .meta({ description })
}

const range = () =>
  z
    .string()
    .regex(/^\d{1,5}-\d{1,5}$/)
    .refine(text => {
      const [first, last] = text.split('-').map(Number) as [number, number]
      return first >= 1 && first < last && last <= PORT_MAX && last - first < RANGE_MAX
    }, `is no range of at most ${RANGE_MAX} ports, the lower one first`)

const port = () =>
  z.strictObject({
    proto: z.enum(['tcp', 'udp']),
    port: z
      .union([z.int().min(1).max(PORT_MAX), range()])
      .meta({ description: 'A port, or a range such as "26901-26903".' }),
    purpose: line('What it is for.'),
    moves: z
      .enum(['along', 'never'])
      .meta({
        description:
          'How it changes when the port of the game does. "along": it is the port of the game plus a constant; "never": the game always uses this number; left out: it has a setting of its own.'
      })
      .optional(),
    optional: z
      .literal(true)
      .meta({ description: 'Not needed to play: shared only when asked for.' })
      .optional()
  })

const build = () =>
  z
    .strictObject({
      $schema: z
        .string()
        .meta({ description: 'For editors: where the JSON Schema of this file is.' })
        .optional(),
      id: id().meta({ description: "The file's name without .json." }),
      name: line('What the game calls itself.'),
      aliases: z.array(id()).meta({ description: 'Other words for it.' }).optional(),
      ports: z
        .array(port())
        .min(1)
        .meta({ description: "The server's ports, that of the game itself first." }),
      guestPorts: z
        .enum(['same', 'together'])
        .meta({
          description:
            'What its ports must be at a guest. "same": the numbers that the host has; "together": those plus one offset for all; left out: any.'
        })
        .optional(),
      discovery: discoveryShape(),
      host: line(
        'What the host does in the game; {port} is the port of the game, {port:27016} where that port of the recipe is now.'
      ),
      lan: line(
        'What a guest does to find it in the LAN list; left out: it does not show up there.'
      ).optional(),
      guest: line(
        'What a guest does to join by the address; {address}, {host} and {port} are where the game is, {address:27016} where that port of the recipe is.'
      ),
      windowsApp: z
        .string()
        .regex(/^[A-Za-z0-9.]+_[a-z0-9]{13}$/)
        .meta({
          description:
            'The family name of its package in the Microsoft Store, if it runs in an app container there, which keeps it from 127.0.0.1.'
        })
        .optional(),
      works: z.enum(['yes', 'by address', 'no']).meta({
        description:
          'Whether it shows up in the LAN list by itself, is joined by its address, or does not work.'
      }),
      why: line('Why it is not "yes", or what else to know.').optional(),
      tried: line('What was run to see that it works; left out: nothing yet.').optional(),
      source: z.array(z.string().regex(/^(https?:\/\/|said: |tried: )\S/)).min(1),
      checked: z.iso
        .date()
        .meta({ description: 'The day on which its sources were last looked at.' })
        .optional(),
      confidence: z.enum(['high', 'medium', 'low'])
    })
    .superRefine((recipe, ctx) => {
      const fault = (path: string, message: string): void =>
        ctx.addIssue({ code: 'custom', path: [path], message })
      if (recipe.works !== 'yes' && recipe.why === undefined)
        fault('why', 'is missing; say why it is not "yes"')
      if (recipe.works === 'yes' && recipe.discovery.how === 'none') {
        fault('works', 'is "yes", but nothing tells how the game finds servers')
      }
      if ((recipe.works === 'yes') !== (recipe.lan !== undefined))
        fault('lan', 'is there for the recipes that work by the LAN list, and for no others')
      if (recipe.ports[0]?.optional)
        fault('ports', 'begins with an optional one; the first is that of the game')
      if (recipe.works !== 'no' && !/\{(address|port)\b/.test(recipe.guest))
        fault('guest', 'does not say which port; put {address}, or {port}, in it')
      const named = [recipe.host, recipe.lan ?? '', recipe.guest].flatMap(portsNamedIn)
      const foreign = named.find(port => !recipe.ports.some(one => numbersOf(one).includes(port)))
      if (foreign !== undefined) fault('guest', `names port ${foreign}, which is none of its ports`)
      const maps = recipe.ports.flatMap(one => numbersOf(one).map(number => ({ ...one, number })))
      if (new Set(maps.map(({ proto, number }) => `${proto} ${number}`)).size < maps.length)
        fault('ports', 'names a port twice')
      const differs = maps.find(one =>
        maps.some(({ number, moves }) => number === one.number && moves !== one.moves)
      )
      if (differs) fault('ports', `moves ${differs.number} in two ways`)
      if (recipe.ports[0]?.moves === 'along')
        fault('ports', 'begins with one that moves along; the first is that of the game')
    })
    .readonly()

export type Recipe = z.output<ReturnType<typeof build>>

let built: ReturnType<typeof build> | undefined

/** The shape, made when it is first asked for: most daemons never need a recipe. */
export function recipeShape(): ReturnType<typeof build> {
  built ??= build()
  return built
}

/** The ports of its recipe that a line names beside that of the game. */
function portsNamedIn(line: string): number[] {
  return [...line.matchAll(PLACE)].flatMap(([, , own]) => (own === undefined ? [] : [Number(own)]))
}

/** The JSON Schema (draft 7) of a recipe, for editors. */
export function recipeJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(recipeShape(), { io: 'input', target: 'draft-7' })
  return { $schema, title: 'hyper-nat game recipe', ...schema }
}
