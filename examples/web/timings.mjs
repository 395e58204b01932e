// How soon the page marks words, in headless Chromium: node examples/web/timings.mjs SITE TEXTS.jsonl [WORDS]
// SITE is what examples/web/build made, TEXTS.jsonl has objects with a `text`. Read are the first twelve texts of WORDS
// words (30 unless told), twice over; told are medians, and the least and the most.
import { readFileSync } from 'node:fs'

import { allWeighed, browse } from './browse.mjs'

const [site, file, words = '30'] = process.argv.slice(2)
if (!file) {
  console.error('usage: node examples/web/timings.mjs SITE TEXTS.jsonl [WORDS]')
  process.exit(2)
}
const lines = readFileSync(file, 'utf8').trim().split('\n')
const ofLength = lines.map(line => JSON.parse(line).text).filter(text => text.split(' ').length === Number(words))
const texts = ofLength.slice(0, 12)
if (texts.length === 0) {
  console.error(`${file}: expected texts of ${words} words, found none`)
  process.exit(2)
}
await browse(site, async (browser, url) => {
  const page = await browser.newPage()
  await page.goto(url)
  await allWeighed(page)
  const told = []
  for (const text of [...texts, ...texts]) {
    await page.fill('textarea', text)
    // The page waits for the end of typing, then takes the old figures away.
    await page.waitForTimeout(400)
    await allWeighed(page)
    told.push(await page.textContent('#timings'))
  }
  for (const [what, pattern] of [
    ['text read', /read in ([\d.]+) (m?s)/],
    ['first words marked', /words found in ([\d.]+) (m?s)/],
    ['all words weighed', /all in ([\d.]+) (m?s)/],
  ]) {
    const inMilliseconds = ([, value, unit]) => Number(value) * (unit === 's' ? 1000 : 1)
    const times = told.map(line => inMilliseconds(line.match(pattern))).sort((a, b) => a - b)
    console.log(`${what}: ${times[times.length >> 1]} ms (${times[0]} to ${times.at(-1)})`)
  }
})
