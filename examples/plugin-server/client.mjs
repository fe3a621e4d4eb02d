// A client of the server in this folder.

/**
 * An answer as one line: its status, and its text.
 *
 * @typedef {string} Answer
 */

export class Client {
  #url

  /** @param {string} url */
  constructor(url) {
    this.#url = url
  }

  /**
   * Has the plugin's function `route` answer a text.
   *
   * @param {string} route
   * @param {string} text
   * @param {{ user?: string, timeoutMs?: number, signal?: AbortSignal }} [options]
   * @returns {Promise<Answer>}
   */
  async post(route, text, { user = 'ada', timeoutMs, signal } = {}) {
    const headers = { 'x-user': user, ...(timeoutMs === undefined ? {} : { 'x-timeout-ms': `${timeoutMs}` }) }
    const options = { method: 'POST', headers, body: text, signal: signal ?? null }
    const response = await fetch(`${this.#url}/${route}`, options)
    return `${response.status} ${await response.text()}`
  }

  /** The metrics page, in lines. */
  async metrics() {
    const response = await fetch(`${this.#url}/metrics`)
    return (await response.text()).split('\n')
  }

  /** Continues when the metrics have a line. @param {string} line */
  async untilMetrics(line) {
    while (!(await this.metrics()).includes(line)) await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
