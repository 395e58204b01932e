// What the unpacked package weighs, against its budget: node size.mjs FOLDER [--report]
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const BUDGET = { raw: 7e6, gzip: 2e6 }

const [folder, report] = process.argv.slice(2)
const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
const sum = { raw: 0, gzip: 0 }
for (const entry of files) {
  const bytes = readFileSync(join(entry.parentPath, entry.name))
  const size = { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length }
  if (entry.name.endsWith('.wasm')) console.log(`     ${entry.name}: ${size.raw} bytes, gzip -9 ${size.gzip}`)
  sum.raw += size.raw
  sum.gzip += size.gzip
}
const fits = sum.raw <= BUDGET.raw && sum.gzip <= BUDGET.gzip
console.log(
  `${fits ? 'ok  ' : 'OVER'} package: ${sum.raw} bytes of ${BUDGET.raw}, gzip -9 ${sum.gzip} of ${BUDGET.gzip}`,
)
process.exitCode = fits || report ? 0 : 1
