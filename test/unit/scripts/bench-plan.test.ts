import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPlan } from '../../../scripts/bench/plan.js'

const choices = {
  measures: ['connect', 'start', 'lines'],
  long: ['lines'],
  contenders: ['direct', 'hyper-nat'],
  lines: 3
}

test('all that does not take hours is measured unless something else is asked for', () => {
  assert.deepEqual(readPlan([], choices), {
    only: ['connect', 'start'],
    contenders: choices.contenders,
    rounds: 3,
    losses: [0, 2, 5],
    seed: 1,
    lines: [1, 2, 3],
    guests: 250
  })
  const argv = [
    '--only',
    'lines,start',
    '--contenders',
    'direct',
    '--rounds',
    '1',
    '--losses',
    '0.5',
    '--seed',
    '7',
    '--lines',
    '2',
    '--guests',
    '1000'
  ]
  assert.deepEqual(readPlan(argv, choices), {
    only: ['lines', 'start'],
    contenders: ['direct'],
    rounds: 1,
    losses: [0.5],
    seed: 7,
    lines: [2],
    guests: 1000
  })
})

test('the help names what there is to choose from', () => {
  for (const argv of [['--help'], ['-h', '--rounds', 'many']]) {
    const plan = readPlan(argv, choices)
    assert.ok('help' in plan)
    for (const name of [...choices.measures, ...choices.contenders]) assert.ok(plan.help.includes(name), name)
  }
})

const wrong: [argv: string[], message: RegExp][] = [
  [['--onyl', 'start'], /'--onyl'/],
  [['start'], /'start'/],
  [['--only'], /--only/],
  [['--only', 'start,speed'], /^There is no "speed"\.\n/],
  [['--contenders', 'nobody'], /^There is no "nobody"\.\n/],
  [['--rounds', '0'], /^--rounds is/],
  [['--rounds', '1.5'], /^--rounds is/],
  [['--losses', '1,x'], /^--losses are/],
  [['--losses', '101'], /^--losses are/],
  [['--seed', 'x'], /^--seed is/],
  [['--lines', '0'], /^--lines are/],
  [['--lines', '4'], /^--lines are/],
  [['--guests', '0'], /^--guests is/]
]
for (const [argv, message] of wrong) {
  test(`bench ${argv.join(' ')}: told, with the usage`, () => {
    const plan = readPlan(argv, choices)
    assert.ok('fault' in plan)
    assert.match(plan.fault, message)
    assert.match(plan.fault, /\n\nnpm run bench -- /)
  })
}
