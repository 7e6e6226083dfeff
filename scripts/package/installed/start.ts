#!/usr/bin/env node
/** Where the program that npm installs starts: what it is made of is one script, whose compiled code is kept. */
import { createRequire } from 'node:module'
import { cacheCompiledCode } from '../../../src/engine.js'

cacheCompiledCode()
createRequire(import.meta.url)('./program.js')
