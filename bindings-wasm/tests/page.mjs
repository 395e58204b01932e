// Drives examples/web in headless Chromium: node page.mjs SITE OTHER.onnx RAGGED.onnx [SCREENSHOTS]
// OTHER has one answer to both questions; RAGGED has two, and concepts of 2, 3 and 5 classes.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

import { chromium } from 'playwright-core'

import { launch } from './launch.mjs'
import { serve } from './serve.mjs'

const [site, other, ragged, screenshots] = process.argv.slice(2)
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const { url, close } = await serve({ '/': site })
const browser = await launch(chromium)
const complaints = []

function check(condition, message) {
  if (!condition) throw new Error(message)
  console.log(`ok   page: ${message}`)
}

async function shoot(page, name) {
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })
}

/** Violations that axe-core calls serious or critical. The page's own policy keeps axe out of its tags. */
async function violations(page) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run())
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  return grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`)
}

const verdict = (page) => page.locator('#verdict').innerText()
const settled = (page, before) =>
  page.waitForFunction((before) => document.querySelector('#verdict').innerText !== before, before)

/** Waits until the model has answered to a belief in the class that stands at `position` on the track of `row`. */
async function answered(row, position, question = 'supposed') {
  const name = await row.locator('.classes button').nth(position).innerText()
  await row.locator(`input[aria-valuetext*="${name} 100 %"][aria-valuetext$=", ${question}"]`).waitFor()
}

/** Drops the file of a model on the page; waits for its concepts. */
async function drop(page, path) {
  const concepts = await page.locator('.concept h3').allInnerTexts()
  const bytes = (await readFile(path)).toString('base64')
  await page.evaluate((bytes) => {
    const transfer = new DataTransfer()
    const content = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0))
    transfer.items.add(new File([content], 'other.onnx'))
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }))
  }, bytes)
  await page.waitForFunction(
    (before) => String([...document.querySelectorAll('.concept h3')].map((name) => name.innerText)) !== before,
    String(concepts),
  )
  await page.locator('#result').waitFor()
}

try {
  const context = await browser.newContext({ viewport: { width: 1100, height: 1000 } })
  const page = await context.newPage()
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))

  await page.goto(url)
  await page.locator('#result').waitFor()
  check((await page.locator('.concept').count()) >= 2, 'it loads and predicts')
  await shoot(page, 'desktop')

  const first = await verdict(page)
  const row = page.locator('.concept').first()
  const slider = row.locator('input[type=range]')
  const track = await slider.boundingBox()
  const value = Number(await slider.inputValue())
  const last = Number(await slider.getAttribute('max'))
  const at = (position) => track.x + 12 + ((track.width - 24) * position) / last
  const middle = track.y + track.height / 2
  await page.mouse.move(at(value), middle)
  await page.mouse.down()
  const [end, inwards] = value > last / 2 ? [0, 1] : [last, -1]
  await page.mouse.move(at(end), middle, { steps: 8 })
  await page.mouse.up()
  await answered(row, end)
  check((await verdict(page)) !== first, 'dragging a belief changes the rating')
  check(await page.locator('#was').isVisible(), 'and says what it was')
  check((await page.locator('.concept.overridden').count()) === 1, 'one concept is supposed')
  await shoot(page, 'supposed')

  await slider.focus()
  // A class is twenty steps long. They come faster than the model answers, and none may be lost.
  for (let i = 0; i < 20; i++) await page.keyboard.press(inwards > 0 ? 'ArrowRight' : 'ArrowLeft')
  await answered(row, end + inwards)
  check(true, 'arrow keys move it too')
  await row.getByRole('button', { name: /^undo/ }).click()
  await row.locator('input[type=range]:not([aria-valuetext$=", supposed"])').waitFor()
  check((await verdict(page)) === first, 'undo gives the first rating back')
  check((await page.locator('.concept.overridden').count()) === 0, 'and no concept is supposed')

  await page.waitForFunction(() => /words found in/.test(document.querySelector('#timings').textContent))
  await page.locator('#words[aria-busy=false] mark').first().waitFor()
  const text = await page.locator('#text').inputValue()
  const phrases = await page.locator('.reasons mark').allInnerTexts()
  check(phrases.length > 0 && phrases.every((phrase) => text.includes(phrase)), 'beliefs say which words they stand on')
  const told = await page.locator('.reasons li').allInnerTexts()
  const effect = /(makes|speaks against) .* \([+−]\d\.\d\d\), .* [+−]\d\.\d\d$/
  check(told.some((line) => effect.test(line)), 'and what these do')
  const count = (words) => words.join(' ').split(/\s+/).filter(Boolean).length
  const marked = count(await page.locator('#words mark').allInnerTexts())
  check(marked > 0 && marked < count([text]), `not all words are marked: ${marked} of ${count([text])}`)
  check((await page.locator('#words .of').count()) > 0, 'and those that are with their belief')
  const own = await row.locator('.reasons').innerText()
  await row.locator('.classes button[aria-pressed=false]').first().click()
  await row.getByText('You said so').waitFor()
  check((await row.locator('.reasons mark').count()) === 0, 'a belief that is supposed stands on no words')
  if (await row.getByRole('checkbox').count()) {
    await row.getByRole('checkbox').check()
    await row.getByText(/was read as|spoke against|stand out/).first().waitFor()
    check(true, 'one that is corrected shows what was read')
  }
  await row.getByRole('button', { name: /^undo/ }).click()
  await page.waitForFunction((own) => document.querySelector('.reasons').innerText === own, own)
  check(true, 'and undone, it stands on its words again')

  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme })
    const found = await violations(page)
    check(found.length === 0, `axe-core finds nothing serious, ${scheme}${found.length ? ': ' + found.join('\n') : ''}`)
    if (scheme === 'dark') await shoot(page, 'dark')
  }
  await page.emulateMedia({ colorScheme: 'light' })

  await page.setViewportSize({ width: 375, height: 780 })
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  check(overflow <= 0, 'nothing is cut off at phone width')
  const cramped = await violations(page)
  check(
    cramped.length === 0,
    `axe-core finds nothing serious at phone width${cramped.length ? ': ' + cramped.join('\n') : ''}`,
  )
  await shoot(page, 'phone')
  await page.setViewportSize({ width: 1100, height: 1000 })

  await page.locator('#text').fill('Horrible food and a rude waiter.')
  await settled(page, first)
  const typed = await verdict(page)
  check(typed !== first, 'typing another review gives another rating')

  await page.locator('#text').focus()
  const reached = []
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab')
    reached.push(
      await page.evaluate(() => {
        const { tagName, type, textContent, id } = document.activeElement
        const shown = getComputedStyle(document.activeElement).outlineStyle !== 'none'
        return { what: type === 'range' ? 'slider' : id || (tagName === 'BUTTON' ? textContent : tagName), shown }
      }),
    )
    if (reached.at(-1).what === 'choose') break
  }
  const sliders = reached.filter(({ what }) => what === 'slider').length
  check(sliders === (await page.locator('.concept').count()), 'the Tab key reaches every belief')
  check(reached.at(-1).what === 'choose', 'and the button at the end of the page')
  const hidden = reached.filter(({ shown }) => !shown).map(({ what }) => what)
  check(hidden.length === 0, `what has the focus is marked${hidden.length ? ', but not ' + hidden : ''}`)

  await context.setOffline(true)
  close()
  await page.reload()
  await page.locator('#result').waitFor()
  check((await verdict(page)) === first, 'it reloads and predicts without a network')
  await page.locator('#text').fill('Horrible food and a rude waiter.')
  await settled(page, first)
  check((await verdict(page)) === typed, 'and predicts the same as before')

  const model = { name: 'broken.onnx', mimeType: 'application/octet-stream', buffer: Buffer.from('no model') }
  await page.locator('#file').setInputFiles(model)
  await page.locator('.status.failed').waitFor()
  check((await page.locator('#status').innerText()).includes('expected'), 'a file that is no model is refused in words')
  check(await page.locator('#result').isVisible(), 'and the model before it stays')

  await drop(page, other)
  check(await page.locator('#status').isHidden(), 'another model that is dropped takes its place, other concepts too')
  await page.locator('.classes button[aria-pressed=false]').first().click()
  await page.locator('.concept.overridden').waitFor()
  check(true, 'and answers to a click on a class')
  check((await page.getByRole('checkbox').count()) === 0, 'a model of one answer does not ask which question is meant')

  await drop(page, ragged)
  const belief = (k) => page.locator('.concept').nth(k)
  const counts = await Promise.all([0, 1, 2].map((k) => belief(k).locator('.classes button').count()))
  check(String(counts) === '2,3,5', 'concepts of 2, 3 and 5 classes')
  check(await page.locator('#rest').isHidden(), 'without a word of a person there is no rest')
  await belief(2).locator('.classes button').first().click()
  await answered(belief(2), 0)
  check(await page.locator('#rest').isVisible(), 'what else the text says is shown')
  check((await belief(2).locator('.state').innerText()).startsWith('supposed'), 'a belief that was moved is supposed')
  const supposed = await page.locator('#rest').innerText()
  const misread = belief(2).getByRole('checkbox', { name: 'it misread this' })
  await misread.focus()
  await page.keyboard.press('Space')
  await answered(belief(2), 0, 'corrected')
  check(
    (await page.locator('#rest').innerText()) !== supposed,
    'that it misread the text is another question, by the keyboard',
  )
  check((await belief(2).locator('.state').innerText()).startsWith('corrected'), 'and the belief says so')
  await belief(0).getByRole('checkbox').check()
  check(
    (await belief(0).locator('.state').innerText()) === 'put it where it belongs',
    'one that is not moved yet asks where it belongs',
  )
  await belief(0).locator('.classes button').first().click()
  await answered(belief(0), 0, 'corrected')
  await belief(1).locator('.classes button').last().click()
  await answered(belief(1), 2)
  check((await page.locator('.concept.corrected').count()) === 2, 'supposed and corrected beliefs stand side by side')
  await shoot(page, 'questions')
  const serious = await violations(page)
  check(serious.length === 0, `axe-core finds nothing serious there${serious.length ? ': ' + serious.join('\n') : ''}`)
  await page.setViewportSize({ width: 375, height: 780 })
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  check(wide <= 0, 'nor is anything cut off at phone width')
  await shoot(page, 'questions-phone')
  await page.setViewportSize({ width: 1100, height: 1000 })
  for (const k of [0, 1]) {
    await belief(k).getByRole('button', { name: /^undo/ }).click()
    await belief(k).locator('.undo').waitFor({ state: 'hidden' })
  }
  check(!(await belief(0).getByRole('checkbox').isChecked()), 'undoing one takes back that it was misread')
  await misread.uncheck()
  await answered(belief(2), 0)
  check((await page.locator('#rest').innerText()) === supposed, 'and what was corrected can be supposed again')
  const unexpected = complaints.filter(
    (text) => !/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|Failed to fetch/.test(text),
  )
  check(unexpected.length === 0, `the console is quiet${unexpected.length ? ': ' + unexpected.join('\n') : ''}`)
} catch (error) {
  console.log(`FAIL page: ${error.message}`)
  for (const text of complaints) console.log(`console: ${text}`)
  process.exitCode = 1
} finally {
  await browser.close()
  close()
}
