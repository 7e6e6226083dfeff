/** Where a single-file program starts. */
import '../../../src/main.js'
