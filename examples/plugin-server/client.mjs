// A client of the server in this folder.

/** What came back. @typedef {{ status: number, text: string, headers: Headers }} Answer */

export class Client {
  #url
  #adminUrl

  /** @param {{ url: string, adminUrl: string }} service */
  constructor({ url, adminUrl }) {
    this.#url = url
    this.#adminUrl = adminUrl
  }

  /**
   * @param {string} path `/<plugin>/...`
   * @param {{ method?: string, body?: string, timeoutMs?: number, signal?: AbortSignal }} [options]
   * @returns {Promise<Answer>}
   */
  async request(path, { method = 'GET', body, timeoutMs, signal } = {}) {
    const headers = timeoutMs === undefined ? {} : { 'x-timeout-ms': `${timeoutMs}` }
    const response = await fetch(`${this.#url}${path}`, { method, headers, body: body ?? null, signal: signal ?? null })
    return { status: response.status, text: await response.text(), headers: response.headers }
  }

  /** @param {string} path */
  async admin(path) {
    const response = await fetch(`${this.#adminUrl}${path}`)
    return { status: response.status, text: await response.text() }
  }

  /** The lines of the metrics page that are no comments. */
  async metrics() {
    const { text } = await this.admin('/metrics')
    return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  }

  /** Continues when the metrics have a line. @param {string} line */
  async untilMetrics(line) {
    while (!(await this.metrics()).includes(line)) await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
