/**
 * How a game finds servers in a LAN, as its recipe says it: the server announces itself, or the game asks around. What a
 * datagram of it looks like, and where the port stands in it, is data here; `lan/port-field.ts` reads and changes it.
 */

import * as z from 'zod'
import { PORT_MAX } from '../text/ports.js'
import { MAX_ANNOUNCEMENT } from '../wire/constants.js'

/** Bytes of a query at the most: what fits into a packet whole, as announcements must. */
const DATAGRAM_MAX = MAX_ANNOUNCEMENT

const networkPort = () => z.int().min(1).max(PORT_MAX)

/** Characters stand for bytes, so that a recipe can be read: U+0000 to U+00FF. */
const bytes = () =>
  z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^\u0100-\uffff]+$/)

const offset = () => z.int().min(0).max(DATAGRAM_MAX)

/** Where the server's port stands in a datagram. */
export const portFieldShape = () =>
  z
    .discriminatedUnion('codec', [
      /** Nowhere: it is the port that the datagram comes from. */
      z.strictObject({ codec: z.literal('none') }),
      /** In decimal, between two texts. */
      z.strictObject({ codec: z.literal('text-field'), before: bytes(), after: bytes() }),
      /** Two bytes, the low one first, so far behind the start. */
      z.strictObject({ codec: z.literal('u16le-at'), at: offset() }),
      /** Two bytes, the high one first. */
      z.strictObject({ codec: z.literal('u16be-at'), at: offset() }),
      /** Four bytes, the low one first. */
      z.strictObject({ codec: z.literal('u32le-at'), at: offset() }),
      /** In the extra data of an answer to Source's A2S_INFO. */
      z.strictObject({ codec: z.literal('a2s') })
    ])
    .meta({ description: 'Where the port of the server stands in the datagram.' })

export type PortField = z.output<ReturnType<typeof portFieldShape>>

/**
 * Bytes of an announcement without a beginning of its own. Guests repeat what strangers send, so anything longer must be known
 * by how it starts.
 */
const UNMARKED_MAX = 8

const announces = () =>
  z
    .strictObject({
      how: z.literal('server-announces'),
      port: networkPort().meta({ description: 'The UDP port where games listen for announcements.' }),
      group: z
        .ipv4()
        .regex(/^2(2[4-9]|3\d)\./)
        .meta({ description: 'The multicast group; broadcast if left out.' })
        .optional(),
      starts: bytes()
        .meta({ description: 'What every announcement starts with; characters are bytes.' })
        .optional(),
      maxBytes: z
        .int()
        .min(1)
        .max(MAX_ANNOUNCEMENT)
        .meta({ description: 'How long an announcement may be.' }),
      text: z
        .literal(true)
        .meta({ description: 'Announcements are text: what does not print is refused.' })
        .optional(),
      field: portFieldShape(),
      everyMs: z.int().min(500).max(60_000).meta({ description: 'How often it is sent, milliseconds.' }),
      template: z
        .string()
        .max(200)
        .meta({
          description:
            'The announcement of a server that makes none itself, sent while its TCP port answers; {name} and {port} are put in.'
        })
        .optional(),
      notes: z.string().optional()
    })
    .refine(
      ({ starts, maxBytes }) => starts !== undefined || maxBytes <= UNMARKED_MAX,
      `has no "starts"; then maxBytes is ${UNMARKED_MAX} at the most`
    )

const queries = () =>
  z.strictObject({
    how: z.literal('client-queries'),
    ports: z
      .union([networkPort(), z.string().regex(/^\d{1,5}-\d{1,5}$/)])
      .meta({ description: 'The UDP ports that the game asks by broadcast.' }),
    starts: z
      .array(bytes())
      .min(1)
      .meta({
        description: 'What queries start with, one of these; anything if left out. Characters are bytes.'
      })
      .optional(),
    maxBytes: z.int().min(1).max(DATAGRAM_MAX).meta({ description: 'How long a query may be.' }),
    answer: portFieldShape(),
    notes: z.string().optional()
  })

const none = () => z.strictObject({ how: z.literal('none'), notes: z.string().optional() })

export const discoveryShape = () => z.discriminatedUnion('how', [announces(), queries(), none()])

export type Discovery = z.output<ReturnType<typeof discoveryShape>>
export type Announces = z.output<ReturnType<typeof announces>>
export type Queries = z.output<ReturnType<typeof queries>>
