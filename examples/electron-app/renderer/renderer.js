// The page. It has no Node.js, and knows of `window.plugins` only, which the preload script has put there.

/** @typedef {{ ok: true, value: any } | { ok: false, error: { code: string, message: string, trapCode?: string } }} Result */

/**
 * @typedef {object} Plugins
 * @property {() => Promise<Result>} list
 * @property {() => Promise<Result>} load
 * @property {(name: string) => Promise<Result>} unload
 * @property {(name: string, functionName: string, text: string, timeoutMs: number) => { result: Promise<Result>, cancel: () => void }} run
 */

/** Milliseconds that a plugin has. */
const TIMEOUT = 10_000

const { plugins } = /** @type {Window & { plugins: Plugins }} */ (/** @type {unknown} */ (window))

/** @template {Element} T @param {string} id @param {new () => T} kind @returns {T} */
function element(id, kind) {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`)
  return found
}

const text = element('text', HTMLTextAreaElement)
const choice = element('function', HTMLSelectElement)
const run = element('run', HTMLButtonElement)
const cancel = element('cancel', HTMLButtonElement)
const load = element('load', HTMLButtonElement)
const output = element('output', HTMLOutputElement)

/** As text: what plugins say is never HTML. @param {Result} result */
function show(result) {
  output.textContent = result.ok ? String(result.value ?? '') : `${result.error.code}: ${result.error.message}`
}

async function refresh() {
  const result = await plugins.list()
  if (!result.ok) return show(result)
  const options = result.value.flatMap((/** @type {{ name: string, functions: string[] }} */ { name, functions }) =>
    functions.map((functionName) => {
      const option = document.createElement('option')
      option.value = JSON.stringify([name, functionName])
      option.textContent = `${name}: ${functionName}`
      return option
    }),
  )
  choice.replaceChildren(...options)
  return undefined
}

run.addEventListener('click', async () => {
  if (choice.value === '') return
  const [name, functionName] = JSON.parse(choice.value)
  const call = plugins.run(name, functionName, text.value, TIMEOUT)
  run.disabled = true
  cancel.disabled = false
  cancel.addEventListener('click', call.cancel)
  show(await call.result)
  cancel.removeEventListener('click', call.cancel)
  run.disabled = false
  cancel.disabled = true
})

load.addEventListener('click', async () => {
  const result = await plugins.load()
  if (result.ok) await refresh()
  else show(result)
})

await refresh()
