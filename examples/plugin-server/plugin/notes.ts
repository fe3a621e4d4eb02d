// Keeps notes: GET /<key> reads one, PUT /<key> writes one, GET /?from=<url> shows what is at a URL.

import { get, info, request, response, store } from './shared/http'

const FROM = '/?from='

/** That each request has an instance of its own shows here: this is always 1. */
let requests = 0

export function handle(): void {
  requests++
  const url = request.url()
  if (url.startsWith(FROM)) {
    const text = get(decodeURIComponent(url.slice(FROM.length)))
    answer(text === null ? 502 : 200, text === null ? 'nothing is to be had there' : text)
  } else if (request.method() === 'PUT') {
    const kept = store.set(url, request.body())
    info((kept ? 'kept ' : 'no room for ') + url)
    answer(kept ? 200 : 507, kept ? 'kept' : 'no room')
  } else {
    const note = store.get(url)
    answer(note === null ? 404 : 200, note === null ? 'no such note' : note)
  }
}

function answer(status: i32, text: string): void {
  response.status(status)
  response.header('x-plugin-requests', requests.toString())
  response.write(text + '\n')
}
