/** How a session was in the last minutes: round trip, loss and traffic over time. */
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { bytesText } from '../../text/bytes.js'
import type { SessionView } from '../wire.js'
import type { History, Sample } from './history.js'
import { percent, ping } from './text.js'

const HEIGHT = 110

/** Width of the numbers beside a plot, the same for all so that they stand below each other. */
const AXIS_WIDTH = 64

interface Curve {
  /** The colour, as the style sheet calls it. */
  readonly color: string
  readonly value: (sample: Sample) => number | null
}

interface Panel {
  readonly title: string
  readonly curves: readonly Curve[]
  readonly unit: (value: number) => string
  /** The scale ends here at least. */
  readonly least: number
}

const PANELS: readonly Panel[] = [
  {
    title: 'Ping',
    curves: [{ color: '--curve-1', value: ({ rtt }) => rtt }],
    unit: value => `${value} ms`,
    least: 20
  },
  {
    title: 'Loss',
    curves: [{ color: '--curve-2', value: ({ loss }) => loss }],
    unit: value => `${value} %`,
    least: 10
  },
  {
    title: 'Traffic',
    curves: [
      { color: '--curve-1', value: ({ inRate }) => inRate },
      { color: '--curve-3', value: ({ outRate }) => outRate }
    ],
    unit: value => `${bytesText(value)}/s`,
    least: 1000
  }
]

const DARK = matchMedia('(prefers-color-scheme: dark)')

/** Whether the page is dark now: plots are painted, so that the style sheet does not reach them. */
function useDark(): boolean {
  const [dark, setDark] = useState(DARK.matches)
  useEffect(() => {
    const changed = (): void => setDark(DARK.matches)
    DARK.addEventListener('change', changed)
    return () => DARK.removeEventListener('change', changed)
  }, [])
  return dark
}

/** @param at milliseconds since 1970: changes with every sample */
export function Plots({ session, history, at }: { session: SessionView; history: History; at: number }) {
  const dark = useDark()
  const samples = history.of(session.id)
  const last = samples.at(-1)
  const now = [
    [ping(session)],
    [percent(session.loss)],
    [`${bytesText(last?.inRate ?? 0)}/s in`, `${bytesText(last?.outRate ?? 0)}/s out`]
  ]
  return (
    <div class="plots">
      {PANELS.map((panel, index) => (
        <PlotPanel
          key={`${panel.title} ${dark}`}
          panel={panel}
          samples={samples}
          at={at}
          now={now[index]!}
          group={session.id}
        />
      ))}
      <p class="hint">
        The ping varies by {session.jitter.toFixed(1)} ms. In total, {bytesText(session.bytesIn)} came in and{' '}
        {bytesText(session.bytesOut)} went out.
      </p>
    </div>
  )
}

function PlotPanel(props: {
  panel: Panel
  samples: readonly Sample[]
  at: number
  /** Of each curve. */
  now: readonly string[]
  group: string
}) {
  const { panel, samples, at, now, group } = props
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  useEffect(() => {
    const target = place.current!
    const made = new uPlot(optionsOf(panel, target, group), [[], ...panel.curves.map(() => [])], target)
    plot.current = made
    const resized = new ResizeObserver(() => made.setSize({ width: target.clientWidth, height: HEIGHT }))
    resized.observe(target)
    return () => {
      resized.disconnect()
      made.destroy()
    }
  }, [panel, group])
  // The samples are one growing list; `at` tells that it grew.
  useEffect(() => {
    const times = samples.map(sample => sample.at / 1000)
    plot.current?.setData([times, ...panel.curves.map(({ value }) => samples.map(value))])
  }, [at, panel])
  return (
    <div class="plot">
      <div class="row">
        <span class="label">{panel.title}</span>
        {now.map((text, index) => (
          <span
            key={panel.curves[index]!.color}
            class={now.length > 1 ? `now ${panel.curves[index]!.color.slice(2)}` : 'now'}
          >
            {text}
          </span>
        ))}
      </div>
      <div
        ref={place}
        class="canvas"
        role="img"
        aria-label={`${panel.title} over time; now ${now.join(', ')}`}
      />
    </div>
  )
}

function optionsOf({ curves, unit, least }: Panel, place: HTMLElement, group: string): uPlot.Options {
  const style = getComputedStyle(place)
  const color = (name: string): string => style.getPropertyValue(name)
  const font = `11px ${style.fontFamily}`
  const axis = {
    stroke: color('--quiet'),
    font,
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false }
  }
  return {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: group }, drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(least, (max ?? 0) * 1.15)] } },
    axes: [
      { ...axis, size: 24, values: '{HH}:{mm}:{ss}', space: 90 },
      {
        ...axis,
        size: AXIS_WIDTH,
        space: 30,
        values: (_plot: uPlot, splits: number[]) => splits.map(split => unit(split))
      }
    ],
    series: [
      {},
      ...curves.map(curve => ({
        stroke: color(curve.color),
        fill: `${color(curve.color).trim()}22`,
        width: 2,
        points: { show: false }
      }))
    ]
  }
}
