// The page in a real browser, as two people use it who never saw a terminal.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { encodeKey } from '../../src/identity/encoding.js'
import { keyPairOf, randomSecret } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { encodeTicket } from '../../src/identity/ticket.js'
import type { Action, View } from '../../src/ui/wire.js'
import { assertAccessible, noBrowser, Pages } from '../support/browser.js'
import { connectTcp, readSome } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { type HyperNat, writeOptions } from '../support/hyper-nat.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

interface Person {
  readonly page: Page
  /** A link that holds while the daemon runs. */
  readonly url: string
  /** What options.json says now. */
  options(): {
    schema: {
      secret?: string
      ticket?: string
      invites?: { name: string }[]
      private?: boolean
      roster?: boolean
    }[]
  }
}

/** Somebody with the page, and an options.json that is not there yet. */
async function person(stage: Stage, pages: Pages, name: string): Promise<Person> {
  const { folder, remove } = writeOptions('')
  stage.defer(remove)
  const file = join(folder, `${name}.json`)
  const daemon = await stage.run(['ui', '-c', file], name)
  const { url, once } = await daemon.event('ui')
  const page = await pages.visit(once)
  return { page, url, options: () => JSON.parse(readFileSync(file, 'utf8')) }
}

/** A host with a game called "Web", and its page. */
async function hosting(stage: Stage) {
  const pages = await Pages.open(stage)
  const game = await stage.use(listenTcpEcho())
  const entry = { mode: 'server', secret: newSecret(), proto: 'tcp', port: game.port, name: 'Web' }
  const { file, remove } = writeOptions({ schema: [entry] })
  stage.defer(remove)
  const daemon = await stage.run(['ui', '-c', file], 'host')
  const page = await pages.visit((await daemon.event('ui')).once)
  const { ticket } = (await daemon.event('ready')) as { ticket: string }
  await page.getByText('Friends can join').waitFor()
  return { pages, file, daemon, page, ticket }
}

/** Starts hyper-nat with the page and these entries, where friends.json has this content, if any. */
async function startPage(stage: Stage, schema: readonly object[], friends?: string): Promise<HyperNat> {
  const { bootstrap } = await stage.testnet()
  const { folder, file, remove } = writeOptions({ network: { bootstrap }, schema })
  stage.defer(remove)
  if (friends !== undefined) {
    mkdirSync(join(folder, 'hyper-nat'))
    writeFileSync(join(folder, 'hyper-nat', 'friends.json'), friends)
  }
  return stage.start(['ui', '-c', file, '--no-open', '--json'], { env: { XDG_CONFIG_HOME: folder } })
}

interface Answer {
  readonly done?: { readonly view: View }
  readonly refused?: { readonly message: string }
}

/** Sends actions to hyper-nat as its page does. */
function actionsOf(url: string) {
  const ask = async (action: Action, body: object): Promise<Answer> => {
    const answer = await fetch(new URL(`api/${action}`, url), {
      method: 'POST',
      headers: { Authorization: `Bearer ${url.split('#token=')[1]}` },
      body: JSON.stringify(body)
    })
    return (await answer.json()) as Answer
  }
  /** The same for an action that is done: what the page shows then. */
  const act = async (action: Action, body: object): Promise<View> => {
    const { done, refused } = await ask(action, body)
    assert.ok(done, JSON.stringify(refused))
    return done.view
  }
  return { ask, act }
}

function button(page: Page, name: string | RegExp) {
  return page.getByRole('button', typeof name === 'string' ? { name, exact: true } : { name })
}

function copied(page: Page): Promise<string> {
  return page.evaluate<string>('navigator.clipboard.readText()')
}

/** What can be seen of the plots. */
function pixels(page: Page): Promise<string[]> {
  return page
    .locator('.plot canvas')
    .evaluateAll(all => all.map(one => (one as unknown as { toDataURL(): string }).toDataURL()))
}

staged(
  'host, join, watch, invite, rename, revoke, leave and stop, in the page',
  async stage => {
    const pages = await Pages.open(stage)
    const game = await stage.use(listenTcpEcho())
    const host = await person(stage, pages, 'host')
    const guest = await person(stage, pages, 'guest')
    const { page } = host

    // --- host ---
    await page.getByRole('heading', { name: 'Play together' }).waitFor()
    assert.equal(new URL(page.url()).hash, '', 'the link leaves the address bar')
    await assertAccessible(page, 'the choice')
    await page.getByRole('link', { name: 'Host' }).press('Enter')
    await button(page, /^Teeworlds/).waitFor()
    await assertAccessible(page, 'the games')
    await button(page, 'Another game or program').click()
    const port = page.getByRole('textbox', { name: /^Port/ })
    await port.fill('25565-1')
    await button(page, 'Host').click()
    await page.getByText('The port has').waitFor()
    await port.and(page.locator(':focus')).waitFor()
    await assertAccessible(page, 'host, with a fault')
    await page.getByRole('textbox', { name: /^Name/ }).fill('Minecraft')
    await page.getByLabel('Protocol').selectOption('tcp')
    await port.fill(`${game.port}`)
    await port.press('Enter')
    await page.getByText('Friends can join').waitFor()
    await button(page, 'Copy invitation').click()
    const invitation = await copied(page)
    await button(page, 'Copy the ticket').click()
    const ticket = await copied(page)
    assert.ok(
      invitation.includes(`hyper-nat join ${ticket}`) && /^You are invited: Minecraft/.test(invitation)
    )
    assert.match(ticket, /^hnat1/)
    await button(page, 'QR code').click()
    await page.getByRole('img', { name: 'The ticket as a QR code' }).waitFor()
    await assertAccessible(page, 'hosting')

    // --- join ---
    const there = guest.page
    await there.getByRole('link', { name: 'Join' }).click()
    const field = there.getByRole('textbox', { name: /^Ticket/ })
    await field.fill(ticket.slice(0, -9))
    await there.getByText('cut off').waitFor()
    await assertAccessible(there, 'join, with a fault')
    await field.fill(invitation)
    await there.getByText(`TCP ${game.port}`).waitFor()
    await button(there, 'Join').click()
    await there.getByText('Connected', { exact: true }).waitFor()
    const address = await there.locator('output').textContent()
    const program = await connectTcp(Number(/^127\.0\.0\.1:(\d+)$/.exec(address ?? '')?.[1]))
    stage.defer(() => program.destroy())
    program.write('hello')
    assert.equal((await readSome(program, 5)).toString(), 'hello')
    await assertAccessible(there, 'joined')

    // --- live ---
    assert.match(await there.title(), /^1 connected - /)
    assert.equal(await there.locator('link[rel=icon]').getAttribute('href'), '/icon-live.svg')
    await page.getByText('Same network').waitFor()
    await button(page, /^Plots of/).click()
    await page.locator('.plot canvas').nth(2).waitFor()
    const before = await pixels(page)
    program.write(Buffer.alloc(300_000))
    await readSome(program, 300_000)
    await until(10_000, 'the plots of ping and traffic to move', async () => {
      const now = await pixels(page)
      return now.length === 3 && now[0] !== before[0] && now[2] !== before[2]
    })
    await page.getByText(/In total, [3-9]\d\d kB came in/).waitFor()
    await page.getByText('What happened').click()
    await page.getByRole('log').getByText('connected (lan)').waitFor()
    await assertAccessible(page, 'with a guest')

    // --- guests see each other, if the host wants that ---
    await page.getByLabel('Guests see each other').check()
    await until(5_000, 'the option', async () => host.options().schema[0]?.roster === true)

    // --- only who is invited ---
    // Who joined with the public ticket has to go: that is asked first.
    await page.getByLabel('Only invited guests').click()
    await page.getByText(/This disconnects Guest \w+\.\., who joined with the public ticket/).waitFor()
    await assertAccessible(page, 'asked about guests')
    await button(page, 'Disconnect them').click()
    await there.getByText('The host has not let you in').waitFor()
    await assertAccessible(there, 'turned away')
    await page.getByText('Nobody is here yet').waitFor()
    assert.equal(host.options().schema[0]?.private, true)
    await button(page, 'Invite to Minecraft').click()
    await page.getByRole('textbox', { name: /^Name/ }).fill('Anna')
    await assertAccessible(page, 'inviting')
    await button(page, 'Make a ticket').click()
    const dialog = page.getByRole('dialog')
    const own = (await dialog.locator('code').textContent()) ?? ''
    assert.notEqual(own, ticket)
    await assertAccessible(page, 'invited')
    await button(page, 'Done').click()
    await there.getByRole('link', { name: 'Join' }).click()
    const { publicKey } = keyPairOf(randomSecret())
    const elsewhere = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 5001 }] })
    await there.getByRole('textbox', { name: /^Ticket/ }).fill(elsewhere)
    await there.getByRole('textbox', { name: /^Friend's name/ }).fill('Somebody')
    await there.getByRole('textbox', { name: /^Ticket/ }).fill(own)
    await there.getByText('an invite for you alone').waitFor()
    await there.getByText('This invite replaces the ticket that you joined with').waitFor()
    await button(there, 'Join').click()
    await there.getByText('Connected', { exact: true }).waitFor()
    const anna = page.getByRole('listitem').filter({ hasText: 'Anna' })
    await anna.getByText('Same network').waitFor()

    await button(page, 'Rename Anna').click()
    await page.getByRole('textbox', { name: /^Name/ }).fill('Annie')
    await button(page, 'Rename').click()
    const annie = page.getByRole('listitem').filter({ hasText: 'Annie' })
    await annie.getByText('Same network').waitFor()
    assert.equal(await there.getByText('Connected', { exact: true }).count(), 1, 'the same session goes on')

    await button(page, 'Ticket of Annie').click()
    await page.getByRole('dialog').locator('code').filter({ hasText: own }).waitFor()
    await assertAccessible(page, 'the ticket of a guest')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    // --- the page is loaded again ---
    await page.reload()
    await annie.getByText('Same network').waitFor()
    assert.ok(!(await page.content()).includes(own), "a guest's ticket is shown to who makes it, once")

    await button(page, 'Revoke Annie').click()
    await button(page, 'Revoke').click()
    await page.getByText('Nobody is here yet').waitFor()
    await there.getByText('The host has not let you in').waitFor()
    assert.deepEqual(host.options().schema[0]?.invites, [])
    await button(there, 'Leave Minecraft').click()
    await assertAccessible(there, 'leaving')
    await button(there, 'Leave').click()
    await there.getByRole('heading', { name: 'Play together' }).waitFor()

    // --- who came with the public ticket is called by a name, goes, and comes again ---
    await page.getByLabel('Only invited guests').uncheck()
    await there.getByRole('link', { name: 'Join' }).click()
    await there.getByRole('textbox', { name: /^Ticket/ }).fill(ticket)
    await button(there, 'Join').click()
    await button(page, /^Rename Guest/).click()
    await page.getByRole('textbox', { name: /^Name/ }).fill('Ben')
    await button(page, 'Rename').click()
    const ben = page.getByRole('listitem').filter({ hasText: 'Ben' })
    await ben.getByText('Same network').waitFor()
    await button(page, 'Remove Ben').click()
    await assertAccessible(page, 'removing a guest')
    await button(page, 'Remove').click()
    await there.getByText('The host has not let you in').waitFor()
    await ben.getByText('removed').waitFor()
    await assertAccessible(page, 'a guest was removed')
    await button(page, 'Let in again Ben').click()
    await there.getByText('Connected', { exact: true }).waitFor({ timeout: 30_000 })
    await button(there, 'Leave Minecraft').click()
    await button(there, 'Leave').click()

    // --- a host that is kept among friends is joined by a click ---
    await there.getByRole('link', { name: 'Join' }).click()
    await there.getByRole('textbox', { name: /^Ticket/ }).fill(ticket)
    await there.getByRole('textbox', { name: /^Friend's name/ }).fill('Host')
    await assertAccessible(there, 'joining a friend')
    await button(there, 'Join').click()
    await there.getByText('Connected', { exact: true }).first().waitFor()
    await button(there, 'Leave Minecraft').click()
    await button(there, 'Leave').click()
    await there.getByText('Online', { exact: true }).last().waitFor()
    await assertAccessible(there, 'a friend is online')
    assert.equal(await there.getByText('Somebody').count(), 0, 'a name for a ticket that was not joined')
    await button(there, 'Join Host').click()
    await there.getByRole('article').getByText('Connected', { exact: true }).waitFor()
    await assertAccessible(there, 'connected to a friend')

    // --- edit: the key stays ---
    await button(page, 'Edit Minecraft').click()
    await assertAccessible(page, 'editing')
    await page.getByRole('textbox', { name: /^Port/ }).fill('25565-1')
    await button(page, 'Save').click()
    await page.getByText('The port has').waitFor()
    await page.getByRole('textbox', { name: /^Port/ }).fill(`${game.port}`)
    await page.getByLabel('Protocol').selectOption('tcp+udp')
    await page.getByRole('textbox', { name: /^Name/ }).fill('Blocks')
    await button(page, 'Save').click()
    await page.getByRole('article', { name: 'Blocks' }).waitFor()
    await page.getByText(`TCP ${game.port}, UDP ${game.port}`, { exact: true }).waitFor()
    await button(page, 'Edit Blocks').click()
    await page.getByRole('textbox', { name: /^Name/ }).fill('Minecraft')
    await page.getByLabel('Protocol').selectOption('tcp')
    await button(page, 'Save').click()
    await page.getByRole('article', { name: 'Minecraft' }).waitFor()

    // --- pause: the ticket stays ---
    const shown = page.locator('.ticket code')
    await shown.waitFor()
    assert.equal(await shown.textContent(), ticket)
    await button(page, 'Pause Minecraft').click()
    await page.getByText('Paused', { exact: true }).waitFor()
    await assertAccessible(page, 'paused')
    await button(page, 'Resume Minecraft').click()
    await page.getByText('Friends can join').waitFor()
    assert.equal(await shown.textContent(), ticket)

    await button(page, 'Remove Minecraft').click()
    await button(page, 'Remove').click()
    await page.getByRole('heading', { name: 'Play together' }).waitFor()
    assert.deepEqual(host.options().schema, [])
    assert.deepEqual(pages.complaints, [], 'nothing on the consoles')

    // --- nobody else ---
    const other = await pages.visit(`${host.url.slice(0, -4)}AAAA`)
    await other.getByText('This link no longer works').waitFor()
    await assertAccessible(other, 'refused')
    assert.equal(await other.getByRole('link', { name: 'Host' }).count(), 0)
  },
  { timeout: 180_000, skip: noBrowser }
)

staged(
  'a game by its name, which tells both sides what to do in it, and the host who is who',
  async stage => {
    const pages = await Pages.open(stage)
    const game = await stage.use(listenTcpEcho())
    const { page, options } = await person(stage, pages, 'host')
    const { page: there } = await person(stage, pages, 'guest')
    await page.getByRole('link', { name: 'Host' }).click()
    const which = page.getByLabel('Which game?')
    await which.fill('no such game')
    await page.getByText('share it by its ports').waitFor()
    await which.fill('quake')
    await button(page, /^Quake \(NetQuake/).click()
    await page.getByText('It does not work through hyper-nat. Its server opens a new port').waitFor()
    assert.ok(await button(page, 'Host').isDisabled())
    await button(page, 'Back').click()
    await which.fill('minecraft')
    const found = page.getByRole('list', { name: 'Games' }).getByRole('button')
    await until(5_000, 'three games', async () => (await found.count()) === 3)
    assert.deepEqual(await found.allTextContents(), [
      'Minecraft: Java Edition TCP 25565',
      'Minecraft: Bedrock Edition UDP 19132',
      'Simple Voice Chat (mod of Minecraft) UDP 24454'
    ])
    // What begins with it comes before what has it somewhere: Luanti is called Minetest, too.
    await which.fill('mine')
    await until(5_000, 'Minecraft first', async () =>
      /^Minecraft/.test((await found.first().textContent()) ?? '')
    )
    assert.ok((await found.allTextContents()).some(text => text.startsWith('Luanti')))
    await which.fill('minecraft')
    await which.press('Enter')
    await page.getByText('Open the world to LAN with port 25565').waitFor()
    const port = page.getByRole('textbox', { name: /^Port/ })
    assert.equal(await port.inputValue(), '25565')
    await port.fill(`${game.port},1,2`)
    await button(page, 'Host').click()
    await page.getByText('The port names 3 ports, but Minecraft').waitFor()
    await assertAccessible(page, 'host a game, with a fault')
    await port.fill(`${game.port}`)
    await port.press('Enter')
    await page.getByText('Friends can join').waitFor()
    await page.getByText(`Open the world to LAN with port ${game.port}`).waitFor()
    const { secret, ...entry } = options().schema[0]!
    assert.ok(secret)
    assert.deepEqual(entry, {
      mode: 'server',
      game: 'minecraft-java',
      port: game.port,
      playerAddresses: true
    })

    await page.getByRole('link', { name: 'Host' }).click()
    await which.fill('minecraft')
    await which.press('Enter')
    await page.getByText('You host this game already').waitFor()
    assert.ok(await button(page, 'Host').isDisabled())
    await assertAccessible(page, 'the same game again')
    await page.getByLabel('Host it a second time').check()
    assert.ok(await button(page, 'Host').isEnabled())
    // What was typed into a form is not lost to a key.
    await page.getByRole('textbox', { name: /^Name/ }).fill('Again')
    await page.keyboard.press('Escape')
    assert.equal(await page.getByRole('textbox', { name: /^Name/ }).inputValue(), 'Again')
    await button(page, 'Back').click()
    await which.and(page.locator(':focus')).waitFor()
    await page.keyboard.press('Escape')
    await button(page, 'Copy the ticket').waitFor()

    await button(page, 'Copy the ticket').click()
    await page.getByRole('link', { name: 'Join' }).click()
    await page.getByRole('textbox', { name: /^Ticket/ }).fill(await copied(page))
    await page.getByText('The ticket is your own').waitFor()
    await page.getByRole('link', { name: 'Back' }).click()
    await there.getByRole('link', { name: 'Join' }).click()
    const field = there.getByRole('textbox', { name: /^Ticket/ })
    const { publicKey } = keyPairOf(randomSecret())
    await field.fill(encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 5432 }] }))
    await button(there, 'Join').click()
    await there
      .getByText('opens ports where programs on this computer look for its own services: 5432')
      .waitFor()
    await assertAccessible(there, 'a ticket that opens the port of a database')
    await there.getByRole('dialog').getByRole('button', { name: 'Back' }).click()
    await field.fill(await copied(page))
    await there.getByText(`Direct Connection: 127.0.0.1:${game.port}`).waitFor()
    await button(there, 'Join').click()
    const card = there.getByRole('article', { name: 'Minecraft: Java Edition' })
    await card.getByText('Connected', { exact: true }).waitFor()
    const address = await card.locator('output').textContent()
    await card.getByText(`Direct Connection: ${address}`).waitFor()
    await card.getByText('shows up in the LAN list of your game').waitFor()
    await assertAccessible(there, 'joined a game')
    if (process.platform === 'linux') await page.getByText(/in-game IP 127\.\d+\.\d+\.\d+/).waitFor()
    await assertAccessible(page, 'hosting a game')
    // On a phone the ticket is at the top, and nothing is wider than the screen.
    await page.setViewportSize({ width: 390, height: 844 })
    const box = await page.locator('.ticket').boundingBox()
    assert.ok(box && box.y + box.height < 844, `the ticket is at ${JSON.stringify(box)}`)
    const [wide, high] = await page.evaluate<[number, number]>(
      `[document.documentElement.scrollWidth, document.querySelector('.choices').offsetHeight]`
    )
    assert.ok(wide <= 390 && high < 60, `${wide} wide, Host and Join ${high} high`)
    await assertAccessible(page, 'on a phone')
    assert.deepEqual(pages.complaints, [], 'nothing on the consoles')
  },
  { timeout: 60_000, skip: noBrowser }
)

staged(
  'a page in the background notifies of guests, and nothing stays green once hyper-nat has stopped',
  async stage => {
    const { file, daemon, page, ticket } = await hosting(stage)

    // Away from the page: a real notification would be on the desktop, where no test sees it.
    await page.evaluate(`(() => {
      globalThis.told = []
      globalThis.allowed = 'denied'
      globalThis.Notification = class {
        static requestPermission = async () => allowed
        constructor(title, { body }) { told.push(body) }
      }
      document.hasFocus = () => false
    })()`)
    await button(page, 'Notify me').click()
    await button(page, 'Blocked by the browser').waitFor()
    await page.evaluate(`allowed = 'granted'`)
    await button(page, 'Blocked by the browser').click()
    await button(page, 'Notifications are on').waitFor()
    const guest = await stage.run(['join', ticket, '-l', '0', '--anonymous'], 'guest')
    await guest.event('connected')
    await until(10_000, 'the notification', () => page.evaluate<boolean>('told.length > 0'))
    assert.match((await page.evaluate<string[]>('told'))[0] ?? '', /^Guest \w+\.\. has joined Web$/)
    assert.match(await page.title(), /^1 connected - /)
    await assertAccessible(page, 'with notifications')

    // --- settings, and warnings ---
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('textbox', { name: /^Relays/ }).waitFor()
    assert.equal(await page.title(), '1 connected - Settings - hyper-nat')
    await page.getByRole('textbox', { name: /^Relays/ }).fill('nobody')
    await button(page, 'Save').click()
    await page.getByText('A relay').and(page.locator('.fault')).waitFor()
    await assertAccessible(page, 'settings, with a fault')
    await page.getByRole('textbox', { name: /^Relays/ }).fill('')
    await page.getByLabel(/^Ask the router/).uncheck()
    // Somebody else changes the file under the open form.
    writeFileSync(
      file,
      JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), network: { lan: false } })
    )
    await button(page, 'Save').click()
    await page.getByText('Restart hyper-nat to apply what changed in network').waitFor()
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).network, { lan: false, portMapping: false })
    writeFileSync(file, '{')
    const fault = page.locator('main > .notice.warn')
    await fault.getByText('cannot be used as it is now').waitFor()
    await assertAccessible(page, 'with a warning')
    await fault.getByRole('button').click()
    await fault.waitFor({ state: 'detached' })

    // --- keys ---
    await page.keyboard.press('/')
    await page.getByLabel('Which game?').and(page.locator(':focus')).waitFor()
    // An input method takes Escape for itself, to drop what is being composed.
    const composer = await page.context().newCDPSession(page)
    await composer.send('Input.imeSetComposition', { text: 'まい', selectionStart: 2, selectionEnd: 2 })
    await page.keyboard.press('Escape')
    assert.equal(await page.evaluate<string>('location.hash'), '#host')
    await composer.send('Input.imeSetComposition', { text: '', selectionStart: 0, selectionEnd: 0 })
    await page.keyboard.type('/teew')
    await button(page, /^Teeworlds/).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('article', { name: 'Web' }).waitFor()

    // --- the end ---
    await daemon.stop()
    await page.getByText('Not running', { exact: true }).waitFor()
    await until(5_000, 'the notification of the end', () =>
      page.evaluate<boolean>('told.includes("hyper-nat has stopped: nobody can join any more")')
    )
    assert.equal(await page.locator('.good').count(), 0)
    assert.match(await page.title(), /^Not running - /)
    await assertAccessible(page, 'after the end')

    // --- it runs again in the same place, with another link ---
    writeFileSync(file, JSON.stringify({ schema: [], ui: { port: Number(new URL(page.url()).port) } }))
    await (await stage.run(['ui', '-c', file], 'host again')).event('ui')
    await page.getByText('This link no longer works').waitFor()
    await until(5_000, 'the title', async () => (await page.title()) === 'hyper-nat')
    assert.equal(await page.locator('link[rel=icon]').getAttribute('href'), '/icon.svg')
  },
  { timeout: 60_000, skip: noBrowser }
)

staged(
  'nothing stays green while hyper-nat does not answer, and the page goes on when it does',
  async stage => {
    const { daemon, page } = await hosting(stage)
    await page.clock.install()
    await page.reload()
    await page.getByText('Friends can join').waitFor()
    // As when text is selected in a window of Windows.
    daemon.kill('SIGSTOP')
    stage.defer(() => daemon.kill('SIGCONT'))
    const trouble = page.getByRole('alert').getByText('does not answer')
    await until(10_000, 'the page to notice', async () => {
      await page.clock.fastForward(5000)
      return trouble.isVisible()
    })
    assert.equal(await page.locator('.good').count(), 0)
    await assertAccessible(page, 'without an answer')
    daemon.kill('SIGCONT')
    await page.getByText('Friends can join').waitFor()
    assert.equal(await trouble.isVisible(), false)
    await page.getByText('What happened').click()
    await page.getByRole('log').getByText('Sharing').waitFor()
  },
  { skip: noBrowser || (process.platform === 'win32' && 'Windows has no signal that pauses') }
)

staged(
  'by the keyboard alone: dialogs, boxes and buttons give the focus back',
  async stage => {
    const { pages, page, ticket } = await hosting(stage)
    const focused = (one: Locator): Promise<void> => one.and(page.locator(':focus')).waitFor()
    const closed = (): Promise<void> => page.getByRole('dialog').waitFor({ state: 'detached' })
    const name = page.getByRole('textbox', { name: /^Name/ })

    const edit = button(page, 'Edit Web')
    await edit.press('Enter')
    await button(page, 'Cancel').press('Enter')
    await focused(edit)
    await edit.press('Enter')
    await name.fill('Games')
    await name.press('Enter')
    await focused(button(page, 'Edit Games'))
    const invite = button(page, 'Invite to Games')
    await invite.press('Enter')
    await name.fill('Anna')
    await name.press('Enter')
    await button(page, 'Done').press('Enter')
    await closed()
    await focused(invite)

    await button(page, 'Pause Games').press('Enter')
    await focused(button(page, 'Resume Games'))
    const guest = await stage.run(['join', ticket, '-l', '0', '--anonymous'], 'guest')
    await button(page, 'Resume Games').press('Enter')
    await focused(button(page, 'Pause Games'))
    await guest.event('connected')
    await button(page, /^Rename Guest/).waitFor()
    const roster = page.getByLabel('Guests see each other')
    await roster.press('Space')
    await page.locator('input:checked:enabled').and(roster).waitFor()
    await focused(roster)
    const isPrivate = page.getByLabel('Only invited guests')
    await isPrivate.press('Space')
    await button(page, 'Disconnect them').press('Enter')
    await closed()
    await page.locator('input:checked:enabled').and(isPrivate).waitFor()
    await focused(isPrivate)
    assert.deepEqual(pages.complaints, [], 'nothing on the consoles')
  },
  { timeout: 60_000, skip: noBrowser }
)

staged(
  'what the browser does not copy can be copied by hand, the invitation too',
  async stage => {
    const pages = await Pages.open(stage)
    const entry = { mode: 'server', secret: newSecret(), proto: 'tcp', port: 25565, name: 'Web' }
    const daemon = await stage.daemon([entry], { ui: { port: 0 } })
    const { ticket } = (await daemon.event('ready')) as { ticket: string }
    const page = await pages.visit((await daemon.event('ui')).url)
    await button(page, 'Copy invitation').waitFor()
    await page.evaluate(`navigator.clipboard.writeText = async () => { throw new DOMException('refused') }`)
    await button(page, 'Copy invitation').click()
    await page.getByText('The browser does not allow').waitFor()
    await assertAccessible(page, 'copying by hand')
    // As with the keys of the system, which a test cannot rely on.
    const selected = await page.evaluate<string>('getSelection().toString()')
    assert.ok(selected.includes(`hyper-nat join ${ticket}`), selected)
    await button(page, 'Done').click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await button(page, 'Copy invitation').and(page.locator(':focus')).waitFor()
    assert.deepEqual(pages.complaints, [], 'nothing on the consoles')
  },
  { timeout: 60_000, skip: noBrowser }
)

staged('a host knows a computer with the page again after a restart', async stage => {
  const game = await stage.use(listenTcpEcho())
  const secret = newSecret()
  const host = await stage.run(['server', '-p', `${game.port}/tcp`, '-s', secret], 'host')
  const { ticket } = (await host.event('ready')) as { ticket: string }
  const client = { mode: 'client', ticket, proto: 'tcp', port: game.port, localPort: 0 }
  const { folder, file, remove } = writeOptions({ schema: [client] })
  stage.defer(remove)
  const { bootstrap } = await stage.testnet()
  const peers: string[] = []
  for (const name of ['guest', 'guest again']) {
    const from = host.mark
    const args = ['ui', '-c', file, '--json', '--bootstrap', bootstrap.join(',')]
    const guest = stage.start(args, { name, env: { XDG_CONFIG_HOME: folder } })
    const { peer } = await host.event('connected', { from })
    peers.push(peer)
    await guest.stop()
  }
  assert.equal(peers[0], peers[1])
  // The second time the host may not have noticed yet that the first is over.
  assert.equal((await host.event('connecting')).peer, peers[0])
})

staged(
  'nothing is wider than a phone, with names of 60 letters without a blank',
  async stage => {
    const pages = await Pages.open(stage)
    const long = 'W'.repeat(60)
    const [one, another] = [randomSecret(), randomSecret()].map(secret => keyPairOf(secret).publicKey)
    const daemon = await startPage(stage, [
      {
        mode: 'server',
        secret: newSecret(),
        game: 'openarena',
        name: long,
        allow: [{ name: long.slice(0, 32), publicKey: encodeKey(one!) }]
      },
      { mode: 'client', publicKey: encodeKey(one!), game: 'openarena', name: long, localPort: 0 },
      { mode: 'client', publicKey: encodeKey(another!), proto: 'tcp', port: 1, name: long, localPort: 0 },
      {
        mode: 'client',
        publicKey: encodeKey(another!),
        proto: 'tcp',
        port: 2,
        name: `${long}2`,
        localPort: 0
      }
    ])
    const { url } = await daemon.event('ui')
    const page = await pages.visit(url)
    await page.setViewportSize({ width: 390, height: 844 })
    const tooWide = (): Promise<string[]> =>
      page
        .locator('main *, dialog *')
        .evaluateAll(all =>
          all.flatMap(one => (one.getBoundingClientRect().right > 390 ? [one.outerHTML] : []))
        )
    await page.getByRole('article').nth(2).waitFor()
    await page.getByText('What happened').click()
    await page.getByRole('log').getByText('Waiting for W').first().waitFor()
    assert.deepEqual(await tooWide(), [])
    await button(page, `Remove ${long}`).click()
    await page.getByRole('dialog').waitFor()
    assert.deepEqual(await tooWide(), [])
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Join' }).click()
    const ticket = encodeTicket({ publicKey: one!, maps: [{ proto: 'tcp', port: 5000, name: long }] })
    await page.getByRole('textbox', { name: /^Ticket/ }).fill(ticket)
    await page.getByText('TCP 5000').waitFor()
    assert.deepEqual(await tooWide(), [])
  },
  { skip: noBrowser }
)

staged(
  'a new link enters in the window of an old one, and leaves the address bar',
  async stage => {
    const pages = await Pages.open(stage)
    const { url } = await person(stage, pages, 'host')
    const page = await pages.visit(`${url.slice(0, -4)}AAAA`)
    await page.getByText('This link no longer works').waitFor()
    // As pasted into the address bar: the address is the same but for the fragment.
    await page.goto(url)
    await page.getByRole('heading', { name: 'Play together' }).waitFor()
    assert.equal(new URL(page.url()).hash, '')
    await page.goto(url)
    await page.waitForURL(({ hash }) => hash === '')
    await page.getByRole('link', { name: 'Host' }).click()
    await page.getByLabel('Which game?').waitFor()
  },
  { skip: noBrowser }
)

staged(
  'a local port that is taken ends nothing where there is a page: the server can be left, or opens later',
  async stage => {
    const game = await stage.use(listenTcpEcho())
    const [taken, other] = [await listenTcpEcho(), await stage.use(listenTcpEcho())]
    const [later, left] = [newSecret(), newSecret()].map(secret =>
      encodeKey(keyPairOf(new Secret(secret)).publicKey)
    )
    const join = (publicKey: string | undefined, localPort: number) => ({
      mode: 'client',
      publicKey,
      proto: 'tcp',
      port: 80,
      localPort
    })
    const host = { mode: 'server', proto: 'tcp', port: game.port, secret: newSecret() }
    const daemon = await stage.daemon([join(later, taken.port), join(left, other.port), host], {
      ui: { port: 0 }
    })
    const { act } = actionsOf((await daemon.event('ui')).url)
    const { publicKey } = await daemon.event('ready', { where: ({ mode }) => mode === 'server' })
    for (const [index, key, port] of [
      [0, later, taken.port],
      [1, left, other.port]
    ]) {
      const { code, message } = await daemon.event('warning', { where: warning => warning.publicKey === key })
      assert.equal(code, 'PORT_IN_USE')
      assert.match(message, new RegExp(`schema\\[${index}\\].*${port}`))
    }
    // Neither does it keep anything else from being changed.
    await act('pause', { publicKey, paused: true })
    const view = await act('leave', { publicKey: left })
    assert.deepEqual(
      view.clients.map(client => [client.publicKey, client.warnings.length]),
      [[later, 1]]
    )
    await taken.close()
    assert.deepEqual((await act('pause', { publicKey, paused: false })).clients[0]?.warnings, [])
    await daemon.event('ready', { where: ready => ready.publicKey === later })
  }
)

staged('a friend by whose name options.json leads to a server stays until that is left', async stage => {
  const { publicKey } = keyPairOf(randomSecret())
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 25565 }] })
  const client = { mode: 'client', server: 'bob', localPort: 0 }
  const key = encodeKey(publicKey)
  const friends = { friends: [{ name: 'Bob', publicKey: key, ticket }] }
  const daemon = await startPage(stage, [client], JSON.stringify(friends))
  const { ask } = actionsOf((await daemon.event('ui')).url)
  await daemon.event('ready')
  const { refused } = await ask('removeFriend', { name: 'Bob' })
  assert.match(refused?.message ?? '', /"Bob" is named in .*options\.json, .* leave the server first/)
  // The file can be used as it was.
  assert.ok((await ask('leave', { publicKey: key })).done)
  assert.deepEqual((await ask('removeFriend', { name: 'Bob' })).done, { friends: [] })
})

staged('a server without a ticket says why, also when it was hosted on the page', async stage => {
  const daemon = await stage.daemon([], { ui: { port: 0 } })
  const { act } = actionsOf((await daemon.event('ui')).url)
  const ports = Array.from({ length: 200 }, (_, index) => 2000 + 2 * index).join()
  const how = { name: '', host: '', private: false }
  const hosted = await act('host', { ...how, rows: [{ ports, proto: 'tcp' }] })
  await daemon.event('reloaded')
  // Another reload, which leaves the server's ports alone.
  const { publicKey } = hosted.servers[0]!
  const [server] = (await act('roster', { publicKey, roster: true })).servers
  assert.equal(server!.ticket, undefined)
  assert.deepEqual(
    server!.warnings.map(({ text }) =>
      /^There is no ticket for this server.*too much for one ticket/.test(text)
    ),
    [true]
  )
})

staged(
  'a file of friends that cannot be used does not count as empty',
  async stage => {
    const pages = await Pages.open(stage)
    const daemon = await startPage(stage, [], '{')
    const page = await pages.visit((await daemon.event('ui')).url)
    await page
      .getByRole('alert')
      .getByText(/the file of friends .*friends\.json cannot be used/)
      .waitFor()
    await assertAccessible(page, 'a broken file of friends')
  },
  { skip: noBrowser }
)

staged(
  "another site's page gets nothing, with the token either",
  async stage => {
    const pages = await Pages.open(stage)
    const { url } = await person(stage, pages, 'host')
    const site = createServer((_request, answer) => answer.end('<!doctype html><title>Elsewhere</title>'))
    await new Promise<void>(resolve => void site.listen(0, '127.0.0.1', resolve))
    stage.defer(() => {
      site.close()
      site.closeAllConnections()
    })
    const elsewhere = await pages.visit(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
    const [page = '', token = ''] = url.split('#token=')
    const tried = await elsewhere.evaluate(`(async () => {
      const page = '${page}'
      const headers = { Authorization: 'Bearer ${token}' }
      const tries = [
        ['api/live', { headers }],
        ['api/stop', { method: 'POST', headers, body: '{}' }],
        ['api/stop', { method: 'POST', body: '{}' }],
        ['main.js', { mode: 'no-cors' }]
      ]
      const outcomes = tries.map(([path, request]) =>
        fetch(page + path, request).then(answer => answer.type, () => 'nothing'))
      const frame = document.createElement('iframe')
      frame.src = page
      const loaded = new Promise(resolve => frame.addEventListener('load', resolve))
      document.body.append(frame)
      await loaded
      // Readable only while it is the empty page of this site's own; an error page of the browser is not.
      return [...(await Promise.all(outcomes)), frame.contentDocument === null ? 'nothing' : 'framed']
    })()`)
    assert.deepEqual(tried, ['nothing', 'nothing', 'nothing', 'nothing', 'nothing'])
    assert.ok(
      pages.complaints.some(text => /frame-ancestors|X-Frame-Options/i.test(text)),
      `${pages.complaints}`
    )
  },
  { skip: noBrowser }
)
