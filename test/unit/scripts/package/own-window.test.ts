import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasOwnWindow, pageWords, type Start } from '../../../../scripts/package/inside/own-window.js'

const CLICKED: Start = {
  platform: 'win32',
  execPath: 'C:\\Users\\Jörg K\\Downloads\\hyper-nat.exe',
  words: [],
  title: 'C:\\Users\\Jörg K\\Downloads\\hyper-nat.exe',
  isTerminal: true,
  env: { APPDATA: 'C:\\Users\\Jörg K\\AppData\\Roaming' },
  hasOptions: false
}

test('a double-click opens the page, with options in a folder of the user', () => {
  assert.deepEqual(pageWords(CLICKED), [
    'ui',
    '-c',
    'C:\\Users\\Jörg K\\AppData\\Roaming\\hyper-nat\\Config\\options.json'
  ])
  const shortcut = { ...CLICKED, title: 'C:\\Users\\Jörg K\\Desktop\\Play.lnk' }
  assert.deepEqual(pageWords(shortcut), pageWords(CLICKED))
})

test('a program with arguments does what they say', () => {
  for (const more of [
    { words: ['games'] },
    { hasOptions: true },
    { isTerminal: false },
    { title: 'Command Prompt - hyper-nat' },
    { title: 'C:\\WINDOWS\\system32\\cmd.exe - hyper-nat.exe' },
    { title: 'Windows PowerShell' },
    { platform: 'linux' as const },
    { env: {} }
  ]) {
    assert.equal(pageWords({ ...CLICKED, ...more }), null, JSON.stringify(more))
  }
})

test('a window of its own is recognized by its title, whatever the words are', () => {
  assert.equal(hasOwnWindow({ ...CLICKED, words: ['ui'], hasOptions: true }), true)
  assert.equal(hasOwnWindow({ ...CLICKED, title: '' }), false)
})
